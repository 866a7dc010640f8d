// The matrix product by oneDNN's sgemm. It runs on one thread when called inside a parallel region, so tiles can be
// handed to it from a team.
#include <oneapi/dnnl/dnnl.h>

#include <stdexcept>
#include <string>

#include "product.h"

namespace gradfold {

namespace baseline {
void portable_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);
}

void onednn_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  const int64_t depth = transpose_a ? a.rows : a.cols;
  if (c.rows == 0 || c.cols == 0) return;
  if (a.type == Type::bf16 || depth == 0) return baseline::portable_product(a, transpose_a, b, transpose_b, c, beta);
  const dnnl_status_t status = dnnl_sgemm(
      transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', c.rows, c.cols, depth, 1.0f, static_cast<const float*>(a.data),
      a.stride, static_cast<const float*>(b.data), b.stride, beta, static_cast<float*>(c.data), c.stride);
  if (status != dnnl_success)
    throw std::runtime_error("oneDNN refused the product " + std::to_string(c.rows) + " x " + std::to_string(c.cols) +
                             " x " + std::to_string(depth) + " with status " + std::to_string(status));
}

const char* onednn_name() {
  static const std::string name = [] {
    const dnnl_version_t* v = dnnl_version();
    return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
  }();
  return name.c_str();
}

}  // namespace gradfold
