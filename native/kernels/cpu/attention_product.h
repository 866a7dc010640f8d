// The three products of a strip of scores with the operands of attention, in float32 vectors on the calling thread.
//
// Operands are small and used at once, so they are laid out for one register-tiled kernel (attention_operands.h) and no
// product has a set-up of its own. Each tile of a product leaves out the keys and queries that none of its rows sees:
// a causal strip costs its triangle.
#pragma once

#include "attention_strip.h"

namespace gradfold::GRADFOLD_ISA {

/// Sums in registers: kTileRows × kTileVectors, with room for a row of vectors and a broadcast.
static constexpr int64_t kTileRows = 6;
#if defined(__AVX512F__)
static constexpr int64_t kTileVectors = 4;
#else
static constexpr int64_t kTileVectors = 2;
#endif
static_assert(kQueryBlock % kTileRows == 0, "strips are whole register tiles");

/// Columns of a register tile.
static constexpr int64_t kSliver = kTileVectors * kLanes;
/// Rows of the right operand that stay in the first-level cache while all rows of a strip meet them.
static constexpr int64_t kDepth = 128;

/// c [kTileRows × kVectors vectors] = or += Σ_k a(r, k) b[k], with a(r, k) at a[r · step + k], or at a[k · step + r]
/// where the rows of a are adjacent.
template <bool kAdjacentRows, int64_t kVectors>
static inline void multiply_tile(int64_t depth, const float* a, int64_t step, const float* b, int64_t b_stride,
                                 float* c, int64_t c_stride, bool accumulate) {
  Vec sums[kTileRows][kVectors] = {};
  for (int64_t k = 0; k < depth; ++k, b += b_stride) {
    Vec bs[kVectors];
#pragma GCC unroll 4
    for (int64_t v = 0; v < kVectors; ++v) bs[v] = load(b + v * kLanes);
#pragma GCC unroll 6
    for (int64_t r = 0; r < kTileRows; ++r) {
      const float factor = kAdjacentRows ? a[k * step + r] : a[r * step + k];
#pragma GCC unroll 4
      for (int64_t v = 0; v < kVectors; ++v) sums[r][v] += factor * bs[v];
    }
  }
#pragma GCC unroll 6
  for (int64_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 4
    for (int64_t v = 0; v < kVectors; ++v) {
      float* to = c + r * c_stride + v * kLanes;
      store(to, accumulate ? load(to) + sums[r][v] : sums[r][v]);
    }
}

/// The same for 1 to kTileVectors vectors.
template <bool kAdjacentRows>
static inline void multiply_tile(int64_t vectors, int64_t depth, const float* a, int64_t step, const float* b,
                                 int64_t b_stride, float* c, int64_t c_stride, bool accumulate) {
  switch (vectors) {
    case 1:
      return multiply_tile<kAdjacentRows, 1>(depth, a, step, b, b_stride, c, c_stride, accumulate);
    case 2:
      return multiply_tile<kAdjacentRows, 2>(depth, a, step, b, b_stride, c, c_stride, accumulate);
#if defined(__AVX512F__)
    case 3:
      return multiply_tile<kAdjacentRows, 3>(depth, a, step, b, b_stride, c, c_stride, accumulate);
    case 4:
      return multiply_tile<kAdjacentRows, 4>(depth, a, step, b, b_stride, c, c_stride, accumulate);
#endif
  }
}

/// Makes a strip whose rows' vectors have been computed an operand: zeros what products read beside them.
static inline void finish_strip(const Block& block, Strip strip, Uses) {
  const Range all = block.keys();
  for (int64_t r = 0; r < block.rows(); ++r)
    clear_beside(strip, r, RowVectors(block.keys(r, 1)), all.begin, all.end + kTileRows);
}

/// strip[r, j] = or += ⟨left[r], right[j]⟩ where a row sees a key, and some numbers beside it. left: score rows, whole
/// register tiles of them; right: score columns.
static inline void score_product(const Block& block, const float* left, const float* right, int64_t width, Strip strip,
                                 bool accumulate) {
  const Range all = block.keys();
  for (int64_t first = all.begin / kSliver * kSliver; first < all.end; first += kSliver)
    for (int64_t r = 0; r < block.rows(); r += kTileRows) {
      const Range keys = block.keys(r, least(kTileRows, block.rows() - r));
      const int64_t begin = clamp(keys.begin - first, 0, kSliver) / kLanes;
      const int64_t end = ceil_div(clamp(keys.end - first, 0, kSliver), kLanes);
      if (begin >= end) continue;
      multiply_tile<false>(end - begin, width, left + r * width, width, right + first * width + begin * kLanes, kSliver,
                           strip.row(r) + first + begin * kLanes, strip.stride, accumulate);
    }
}

/// out[r] += Σ_j strip[r, j] right[j] over the keys that a row sees. right: key rows; out: rows of `width` numbers,
/// whole register tiles of them.
static inline void add_key_product(const Block& block, Strip strip, const float* right, int64_t width, float* out) {
  const Range all = block.keys();
  for (int64_t first = all.begin; first < all.end; first += kDepth)
    for (int64_t r = 0; r < block.rows(); r += kTileRows) {
      const Range keys = block.keys(r, least(kTileRows, block.rows() - r));
      const int64_t begin = clamp(keys.begin, first, first + kDepth), end = clamp(keys.end, first, first + kDepth);
      if (begin == end) continue;
      for (int64_t column = 0; column < width; column += kSliver)
        multiply_tile<false>(least(kSliver, width - column) / kLanes, end - begin, strip.row(r) + begin, strip.stride,
                             right + begin * width + column, width, out + r * width + column, width, true);
    }
}

/// out[j] += Σ_r strip[r, j] right[r] over the rows that see a key. right: query rows; out: sums, with room for
/// kTileRows − 1 more keys than the tile has, whose sums stay as they are (plus zero).
static inline void add_query_product(const Block& block, Strip strip, const float* right, int64_t width, float* out) {
  const Range all = block.keys();
  for (int64_t key = all.begin; key < all.end; key += kTileRows) {
    const Range rows = block.rows_seeing(key, kTileRows);
    for (int64_t column = 0; column < width; column += kSliver)
      multiply_tile<true>(least(kSliver, width - column) / kLanes, rows.size(), strip.row(rows.begin) + key,
                          strip.stride, right + rows.begin * width + column, width, out + key * width + column, width,
                          true);
  }
}

/// What a thread needs for products while it lives: nothing.
struct ProductScope {
  ProductScope() {}
};

}  // namespace gradfold::GRADFOLD_ISA
