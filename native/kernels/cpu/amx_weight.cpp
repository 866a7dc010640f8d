// The bfloat16 product with a weight packed ahead, which was no gain in vectors of AVX512-BF16: what a product packs for
// itself lies in one block of huge pages.
#include <omp.h>

#include "product.h"
#include "product_workspace.h"
#include "tile_multiply.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Lines that a thread packs at a time: of columns, long enough runs of memory.
constexpr int64_t kPackedLines = 4 * kPanelLines;

void pack_side(const Lines<float>& from, int64_t lines, int64_t inner, char* to) {
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < lines; first += kPackedLines)
    pack_panels<Side::right>(from, first, least(first + kPackedLines, lines), 0, inner,
                             to + first / kPanelLines * panels_bytes(1, inner));
}

}  // namespace

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
