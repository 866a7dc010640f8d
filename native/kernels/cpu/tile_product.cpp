// The bfloat16 product on tiles.
#include "product.h"
#include "product_workspace.h"
#include "tile_multiply.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

void float_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
#ifdef GRADFOLD_ONEDNN
  onednn_product(a, transpose_a, b, transpose_b, c, beta);
#else
  avx512::portable_product(a, transpose_a, b, transpose_b, c, beta);
#endif
}

}  // namespace

void tile_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  if (a.type == Type::f32) return float_product(a, transpose_a, b, transpose_b, c, beta);
  const Right<Bf16> right{lines_of<Bf16>(b, !transpose_b), nullptr, 0};
  if (!multiply<1>(lines_of<Bf16>(a, transpose_a), right, transpose_a ? a.rows : a.cols, c, beta != 0.0f))
    refuse_product_workspace();
}

}  // namespace gradfold::GRADFOLD_ISA
