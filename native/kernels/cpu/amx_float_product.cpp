// Float32 products on AMX tiles, as products of bfloat16 parts.
#include "product.h"
#include "product_workspace.h"
#include "tile_multiply.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

template <int kParts>
void product_of_parts(const ConstAnyMat& a, bool transpose_a, const ConstAnyMat& b, bool transpose_b, const AnyMat& c,
                      float beta) {
  const Right<float> right{lines_of<float>(b, !transpose_b), nullptr, 0};
  if (!multiply<kParts>(lines_of<float>(a, transpose_a), right, transpose_a ? a.rows : a.cols, c, beta != 0.0f))
    refuse_product_workspace();
}

}  // namespace

void product_x3(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  product_of_parts<2>(a, transpose_a, b, transpose_b, c, beta);
}

void product_x6(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  product_of_parts<3>(a, transpose_a, b, transpose_b, c, beta);
}

}  // namespace gradfold::GRADFOLD_ISA
