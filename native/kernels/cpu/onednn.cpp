// The matrix product by oneDNN: sgemm for float32, the matmul primitive for bfloat16. Both run on one thread when
// called inside a parallel region, so tiles can be handed to them from a team.
#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <string_view>

#include "cpu_features.h"
#include "product.h"

namespace gradfold {
namespace {

/// What stands in for the library where it declines or is the slower one.
void own_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
#ifndef GRADFOLD_BASELINE_ONLY
  if (has_avx512()) return avx512::portable_product(a, transpose_a, b, transpose_b, c, beta);
#endif
  baseline::portable_product(a, transpose_a, b, transpose_b, c, beta);
}

/// Whether sgemm reads columns of `a` that fall on the same few cache sets, which it does without packing them where c
/// is narrow: 4096 × 256 with inner dimension 1024 then ran at 0.66 of our product's rate (2.6.3, AVX-512), and at 1.2
/// of it with 16 numbers between the rows.
bool conflicts(const ConstAnyMat& a, bool transpose_a, const AnyMat& c) {
  return transpose_a && a.stride % 2048 == 0 && c.cols <= 512 && has_avx512();
}

/// Multiplications below which looking up a primitive costs more than it saves.
constexpr int64_t kPrimitiveWork = 1 << 20;

using dnnl::memory;

memory::desc described(int64_t rows, int64_t cols, int64_t stride, bool transposed, Type type) {
  const auto number = type == Type::f32 ? memory::data_type::f32 : memory::data_type::bf16;
  return transposed ? memory::desc({cols, rows}, number, memory::dims{1, stride})
                    : memory::desc({rows, cols}, number, memory::dims{stride, 1});
}

dnnl::matmul::primitive_desc planned(const ConstAnyMat& a, bool transpose_a, const ConstAnyMat& b, bool transpose_b,
                                     const AnyMat& c, float beta, const dnnl::engine& engine) {
  dnnl::primitive_attr attributes;
  if (beta != 0.0f) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  // Cheap the second time, as is the primitive: the library keeps what it compiled by its description.
  return {{described(a.rows, a.cols, a.stride, transpose_a, a.type),
           described(b.rows, b.cols, b.stride, transpose_b, b.type),
           described(c.rows, c.cols, c.stride, false, c.type)},
          attributes,
          engine};
}

/// Numbers of a bfloat16 result that the library's plain way is given at once: it keeps all of them in float32 first.
constexpr int64_t kPanelNumbers = 1 << 20;

/// Rows of c that are multiplied at once.
int64_t panel_rows(const dnnl::matmul::primitive_desc& plan, const AnyMat& c) {
  const bool plain = std::string_view(plan.impl_info_str()).rfind("gemm", 0) == 0;
  if (!plain || c.type == Type::f32) return c.rows;
  return std::min(c.rows, std::max<int64_t>(64, kPanelNumbers / c.cols / 64 * 64));
}

/// c = op(a) op(b) + beta c of bfloat16 operands; false when the library declines.
bool multiply_bf16(const ConstAnyMat& a, bool transpose_a, const ConstAnyMat& b, bool transpose_b, const AnyMat& c,
                   float beta) noexcept try {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  thread_local const dnnl::stream stream(engine);
  const auto plan = planned(a, transpose_a, b, transpose_b, c, beta, engine);
  const int64_t panel = panel_rows(plan, c);
  if (panel == c.rows) {
    dnnl::matmul(plan).execute(stream,
                               {{DNNL_ARG_SRC, memory(plan.src_desc(), engine, const_cast<void*>(a.data))},
                                {DNNL_ARG_WEIGHTS, memory(plan.weights_desc(), engine, const_cast<void*>(b.data))},
                                {DNNL_ARG_DST, memory(plan.dst_desc(), engine, c.data)}});
    return true;
  }
  bool done = true;
  for (int64_t i = 0; done && i < c.rows; i += panel) {
    const int64_t rows = std::min(panel, c.rows - i);
    const ConstAnyMat left = transpose_a ? block(a, 0, a.rows, i, rows) : block(a, i, rows, 0, a.cols);
    const AnyMat out(static_cast<char*>(c.data) + i * c.stride * size_of(c.type), rows, c.cols, c.stride, c.type);
    done = multiply_bf16(left, transpose_a, b, transpose_b, out, beta);
  }
  return done;
} catch (const dnnl::error&) {
  return false;
}

/// Columns that sgemm is given at once: what it packs for itself grows with them, to 40 MB at 16,000.
constexpr int64_t kPanelCols = 4096;

bool multiply_f32(const ConstAnyMat& a, bool transpose_a, const ConstAnyMat& b, bool transpose_b, const AnyMat& c,
                  int64_t inner, float beta) {
  const float* const right = static_cast<const float*>(b.data);
  float* const out = static_cast<float*>(c.data);
  for (int64_t j = 0; j < c.cols; j += kPanelCols)
    if (dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', c.rows, std::min(kPanelCols, c.cols - j), inner,
                   1.0f, static_cast<const float*>(a.data), a.stride, right + j * (transpose_b ? b.stride : 1),
                   b.stride, beta, out + j, c.stride) != dnnl_success)
      return false;
  return true;
}

}  // namespace

void onednn_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  const int64_t inner = transpose_a ? a.rows : a.cols;
  const int64_t work = c.rows * c.cols * inner;
  const bool done =
      a.type == Type::f32
          ? work > 0 && !conflicts(a, transpose_a, c) && multiply_f32(a, transpose_a, b, transpose_b, c, inner, beta)
          : work >= kPrimitiveWork && multiply_bf16(a, transpose_a, b, transpose_b, c, beta);
  if (!done) own_product(a, transpose_a, b, transpose_b, c, beta);
}

const char* onednn_name() {
  static const std::string name = [] {
    const dnnl_version_t* v = dnnl_version();
    return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
  }();
  return name.c_str();
}

}  // namespace gradfold
