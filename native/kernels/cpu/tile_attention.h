// Attention's products over tiles (tiles.h): bfloat16 operands, float32 sums. The functions are those of
// attention_operands.h and attention_product.h, so that the passes are the same.
//
// Scores are a float32 strip, on which softmax and its gradient are taken; once it is finished it is rounded to
// bfloat16 in place: its rows for the sums over keys, pairs of its rows for the sums over queries. These form dKᵀ and
// dVᵀ, because the pairs are then the right operand and need no transposition; the sums are turned when they are
// written. Products leave out 32 × 32 squares that nobody sees. Heads are padded with zeros to whole steps of 32.
#pragma once

#include "attention_strip.h"
#include "tiles.h"

namespace gradfold::GRADFOLD_ISA {

using Operand = Bf16;
static constexpr int64_t kFloatBytes = sizeof(float), kOperandBytes = sizeof(Operand);

/// Calls body with a number of the matrices' type, which is bfloat16.
template <class Body>
static inline void with_matrix_type(Type, Body body) {
  body(Bf16{});
}

/// Tiles are used in squares of 2 × 2, and a step of the inner dimension is as long.
static constexpr int64_t kSquare = kPanelLines;
static_assert(kSquare == kStep && kQueryBlock % kSquare == 0 && kKeyAlignment % kSquare == 0,
              "strips are whole squares");
/// Numbers of a panel of 32 lines and one step.
static constexpr int64_t kPanelNumbers = kPairBytes / int64_t(sizeof(Bf16));
static_assert(kPanelNumbers == kSquare * kStep, "an operand in panels is no longer than its rows");

/// Numbers of a row of an operand: a head, padded with zeros to whole steps.
static inline int64_t operand_width(const AttentionShape& shape) { return round_up(shape.head_dim, kStep); }

/// Keys of the longest tile of a shape, padded to whole squares.
static inline int64_t tile_keys(const AttentionShape& shape) {
  return round_up(least(shape.longest, kKeyTile), kSquare);
}

using ProductScope = TileConfiguration;

// ---- operands -------------------------------------------------------------------------------------------------------

/// The left operand of score_product: a row a query, as tiles read it.
static inline void lay_score_rows(const View<const Bf16>& from, int64_t width, Operand* to) {
  for (int64_t r = 0; r < from.rows; ++r, to += width)
    for (int64_t j = 0; j < width; j += 32) _mm512_store_si512(to + j, load_32(from.row(r) + j, from.cols - j));
}

/// The right operand of score_product, a tile of keys or values: a panel of all steps for 32 keys after another.
static inline void lay_score_columns(const View<const Bf16>& from, int64_t /*width*/, float* /*lines*/, Operand* to) {
  pack_panels<Side::right>(Lines<Bf16>{from.data, from.stride, false}, 0, from.rows, 0, from.cols,
                           reinterpret_cast<char*>(to));
}

/// Steps of 32 rows, which are the inner dimension; in each a panel for 32 columns after another.
template <Side kSide>
static inline void lay_steps(const View<const Bf16>& from, int64_t width, Operand* to) {
  for (int64_t r = 0; r < from.rows; r += kStep)
    pack_panels<kSide>(Lines<Bf16>{from.data, from.stride, true}, 0, from.cols, r, least(kStep, from.rows - r),
                       reinterpret_cast<char*>(to + r * width));
}

/// The right operand of add_key_product: a tile of keys or values.
static inline void lay_key_rows(const View<const Bf16>& from, int64_t width, Operand* to) {
  lay_steps<Side::right>(from, width, to);
}

/// The operand of add_query_product beside the strip: a task's queries.
static inline Operand* take_query_rows(int64_t count, Operand* /*score_rows*/, Scratch& scratch) {
  return scratch.take<Operand>(count);
}
static inline void lay_query_rows(const View<const Bf16>& from, int64_t width, Operand* to) {
  lay_steps<Side::left>(from, width, to);
}

// ---- strips as operands ---------------------------------------------------------------------------------------------

// A finished strip holds bfloat16 numbers where two rows of float32 scores stood. With rows 2i and 2i + 1 and 32 keys
// from j on: the first row's place has pairs, the two rows' numbers of a key side by side; the second one's has the 32
// numbers of row 2i, then those of row 2i + 1. So a tile of sums over keys has the even rows of a square, the next one
// the odd ones.

/// The keys that one of up to 32 rows from `row` on sees; `end` as it is, `begin` that of a square.
static inline Range square_keys(const Block& block, int64_t row) {
  const Range keys = block.keys(row, least(kSquare, block.rows() - row));
  return {keys.begin / kSquare * kSquare, keys.end};
}

/// Makes a strip whose rows' vectors have been computed an operand: zero where a row's square is seen and it is not.
static inline void finish_strip(const Block& block, Strip strip, Uses uses) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  for (int64_t group = 0; group < block.rows(); group += kSquare) {
    const Range seen = square_keys(block, group);
    const Range keys{seen.begin, round_up(seen.end, kSquare)};
    for (int64_t r = group; r < least(group + kSquare, block.rows()); ++r)
      clear_beside(strip, r, RowVectors(block.keys(r, 1)), keys.begin, keys.end);
    for (int64_t r = group; r < group + kSquare; r += 2)
      for (int64_t j = keys.begin; j < keys.end; j += 32) {
        float *const upper = strip.row(r) + j, *const lower = strip.row(r + 1) + j;
        const __m512i even = r < block.rows() ? load_32(upper, 32) : _mm512_setzero_si512();
        const __m512i odd = r + 1 < block.rows() ? load_32(lower, 32) : _mm512_setzero_si512();
        if (uses != Uses::queries) {
          _mm512_store_si512(lower, even);
          _mm512_store_si512(lower + 16, odd);
        }
        if (uses != Uses::keys) {
          const __m512i low = _mm512_unpacklo_epi16(even, odd), high = _mm512_unpackhi_epi16(even, odd);
          _mm512_store_si512(upper, _mm512_permutex2var_epi64(low, first, high));
          _mm512_store_si512(upper + 16, _mm512_permutex2var_epi64(low, second, high));
        }
      }
  }
}

// ---- products -------------------------------------------------------------------------------------------------------

/// Pairs of tiles in packed panels.
static inline TilePairs packed(const Operand* data, int64_t step_numbers) {
  return {data, 64, kTileBytes, step_numbers * kOperandBytes};
}

/// strip[r, j] = or += ⟨left[r], right[j]⟩ in the squares that a row sees; left: score rows, right: score columns.
static inline void score_product(const Block& block, const Operand* left, const Operand* right, int64_t width,
                                 Strip strip, bool accumulate) {
  const int64_t row_bytes = width * kOperandBytes;
  for (int64_t r = 0; r < block.rows(); r += kSquare) {
    const Range keys = square_keys(block, r);
    const TilePairs rows{left + r * width, row_bytes, kTileLines * row_bytes, kStep * kOperandBytes};
    for (int64_t key = keys.begin; key < keys.end; key += kSquare)
      multiply_square(rows, packed(right + key * width, kPanelNumbers), width / kStep,
                      {strip.row(r) + key, strip.stride, kTileLines, kTileLines * strip.stride}, accumulate,
                      block.rows() - r, keys.end - key);
  }
}

/// out[r] += Σ_j strip[r, j] right[j] over the keys that a row sees. right: key rows; out: rows of `width` numbers,
/// whole squares of them.
static inline void add_key_product(const Block& block, Strip strip, const Operand* right, int64_t width, float* out) {
  for (int64_t r = 0; r < block.rows(); r += kSquare) {
    const Range keys = square_keys(block, r);
    const int64_t steps = keys.end > keys.begin ? ceil_div(keys.size(), kStep) : 0;
    const TilePairs rows{strip.row(r + 1) + keys.begin, 2 * strip.stride * kFloatBytes, 64, kStep * kFloatBytes};
    for (int64_t column = 0; steps > 0 && column < width; column += kSquare)
      multiply_square<true, true>(rows, packed(right + keys.begin * width + column * kStep, width * kStep), steps,
                                  {out + r * width + column, 2 * width, kTileLines, width}, true);
  }
}

/// out[j] += Σ_r strip[r, j] right[r] over the rows that see a key. right: query rows; out: sums.
static inline void add_query_product(const Block& block, Strip strip, const Operand* right, int64_t width, float* out) {
  const Range all = block.keys();
  const int64_t pair_bytes = 2 * strip.stride * kFloatBytes;
  for (int64_t key = all.begin / kSquare * kSquare; key < all.end; key += kSquare) {
    const Range seeing = block.rows_seeing(key, least(kSquare, all.end - key));
    const int64_t first = seeing.begin / kStep * kStep;
    const int64_t steps = seeing.end > seeing.begin ? ceil_div(seeing.end - first, kStep) : 0;
    const TilePairs pairs{strip.row(first) + key, pair_bytes, 64, kTileLines * pair_bytes};
    for (int64_t column = 0; steps > 0 && column < width; column += kSquare)
      multiply_square(
          packed(right + first * width + column * kStep, width * kStep), pairs, steps,
          {out + key * width + column * kTileLines, kTileLines, kTileLines * width, kTileLines * kTileLines}, true,
          kSquare, all.end - key);
  }
}

// ---- sums over queries: 16 keys together, `width` rows with a number of each ----------------------------------------

/// Keys that sums hold together: a group is as many rows of sums, one after another in memory.
static constexpr int64_t kSumKeys = kTileLines;
/// Keys beyond a segment's that add_query_product touches, apart from whole groups.
static constexpr int64_t kSumMargin = 0;

/// The rows of a group of sums, turned. lines: 16 · width numbers of scratch.
static inline const float* sum_rows(const float* group, int64_t width, float* lines) {
  for (int64_t j = 0; j < width; j += 16) {
    __m512i rows[16];
    for (int64_t r = 0; r < 16; ++r) rows[r] = _mm512_load_si512(group + (j + r) * kTileLines);
    transpose_16(rows);
    for (int64_t r = 0; r < 16; ++r) _mm512_store_si512(lines + r * width + j, rows[r]);
  }
  return lines;
}

}  // namespace gradfold::GRADFOLD_ISA
