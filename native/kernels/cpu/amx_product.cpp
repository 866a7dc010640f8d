// The bfloat16 product on AMX tiles, plain and with a weight packed ahead.
#include <omp.h>

#include "amx_multiply.h"
#include "product.h"
#include "product_workspace.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

template <class T>
Lines<T> lines_of(const ConstAnyMat& m, bool columns) {
  return {static_cast<const T*>(m.data), m.stride, columns};
}

void float_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
#ifdef GRADFOLD_ONEDNN
  onednn_product(a, transpose_a, b, transpose_b, c, beta);
#else
  avx512::portable_product(a, transpose_a, b, transpose_b, c, beta);
#endif
}

template <int kParts>
void product_of_parts(const ConstAnyMat& a, bool transpose_a, const ConstAnyMat& b, bool transpose_b, const AnyMat& c,
                      float beta) {
  using T = Number<kParts>;
  const Right<T> right{lines_of<T>(b, !transpose_b), nullptr, 0};
  if (!multiply<kParts>(lines_of<T>(a, transpose_a), right, transpose_a ? a.rows : a.cols, c, beta != 0.0f))
    refuse_product_workspace();
}

/// Lines that a thread packs at a time: of columns, long enough runs of memory.
constexpr int64_t kPackedLines = 4 * kPanelLines;

void pack_side(const Lines<float>& from, int64_t lines, int64_t inner, char* to) {
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < lines; first += kPackedLines)
    pack_panels<Side::right>(from, first, least(first + kPackedLines, lines), 0, inner,
                             to + first / kPanelLines * panels_bytes(1, inner));
}

}  // namespace

void amx_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  if (a.type == Type::f32) return float_product(a, transpose_a, b, transpose_b, c, beta);
  product_of_parts<1>(a, transpose_a, b, transpose_b, c, beta);
}

void amx_product_x3(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  product_of_parts<2>(a, transpose_a, b, transpose_b, c, beta);
}

void amx_product_x6(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  product_of_parts<3>(a, transpose_a, b, transpose_b, c, beta);
}

// A packed weight is op(W) = Wᵀ, whose lines are the rows of W, then op(W) = W, whose lines are its columns.

size_t packed_weight_bytes(int64_t rows, int64_t cols) {
  return static_cast<size_t>(panels_bytes(rows, cols) + panels_bytes(cols, rows));
}

void pack_weight(ConstMat weight, void* packed) {
  char* const to = static_cast<char*>(packed);
  pack_side({weight.data, weight.stride, false}, weight.rows, weight.cols, to);
  pack_side({weight.data, weight.stride, true}, weight.cols, weight.rows, to + panels_bytes(weight.rows, weight.cols));
}

void packed_weight_product(ConstAnyMat x, const void* packed, int64_t rows, int64_t cols, bool transpose, AnyMat y,
                           float beta) {
  const int64_t inner = transpose ? cols : rows;
  const char* side = static_cast<const char*>(packed) + (transpose ? 0 : panels_bytes(rows, cols));
  const Right<Bf16> right{{nullptr, 0, false}, side, panels_bytes(1, inner)};
  if (!multiply<1>(lines_of<Bf16>(x, false), right, inner, y, beta != 0.0f)) refuse_product_workspace();
}

}  // namespace gradfold::GRADFOLD_ISA
