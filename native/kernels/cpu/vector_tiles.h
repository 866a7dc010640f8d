// The innermost loop of the product in vectors of AVX512-BF16, over operands as AMX tiles take them: a row of a tile of
// the right operand is a vector of pairs, and meets pairs of the left one, each broadcast to all its lanes (VDPBF16PS).
// Sums of 8 lines in two vectors hide that instruction's latency and leave registers for what is loaded.
#pragma once

#include "tile_operands.h"

namespace gradfold::GRADFOLD_ISA {

/// What a thread needs for products while it lives: nothing.
struct TileConfiguration {
  TileConfiguration() {}
};

/// A pair of neighbours in the inner dimension, and its bytes.
typedef float Neighbours __attribute__((may_alias));
constexpr int64_t kNeighbourBytes = sizeof(Neighbours);

// How a left operand is packed: as a right one, a line's pairs 64 bytes apart and lines side by side, so that no
// columns need a transposition; and which operand stays where the left one is columns.
constexpr Side kLeftSide = Side::right;
constexpr int64_t kLeftRowBytes = kNeighbourBytes;
constexpr bool kLeftColumnsStay = false;
constexpr int64_t kStayBytes = 768 << 10;  // of the operand that stays

/// Where one operand of a product begins, and how far it is from one row of a tile to the next and from step to step.
struct TileRows {
  const char* data;
  int64_t row_bytes, step_bytes;
};

/// to = (from or zero) + Σ of `steps` steps of a b for kRows lines of a and, in kVectors tiles, 16 or 32 of b, from one
/// of which to the next it is `second_bytes`, and `right` numbers in `from` and `to`. kNext: bytes between the
/// pairs of a line of a. Calls after_step() after each step. Not inlined, so that nothing else wants its registers.
template <int kRows, int kVectors, int64_t kNext, class AfterStep>
__attribute__((noinline)) void multiply_rows(TileRows a, TileRows b, int64_t second_bytes, int64_t steps,
                                             const float* from, float* to, int64_t stride, int64_t right,
                                             const AfterStep& after_step) {
  __m512 sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      sums[r][v] = from != nullptr ? _mm512_loadu_ps(from + r * stride + v * right) : _mm512_setzero_ps();
  const char *left = a.data, *step = b.data;
  for (int64_t s = 0; s < steps; ++s, left += a.step_bytes, step += b.step_bytes) {
    const char* row = step;
#pragma GCC unroll 4
    for (int64_t pair = 0; pair < kStep / 2; ++pair, row += b.row_bytes) {
      __m512bh bs[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) bs[v] = reinterpret_cast<__m512bh>(_mm512_loadu_ps(row + v * second_bytes));
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const int64_t next_row = kNext == kNeighbourBytes ? a.row_bytes : kNeighbourBytes;
        const Neighbours both = *reinterpret_cast<const Neighbours*>(left + r * next_row + pair * kNext);
        const __m512bh everywhere = reinterpret_cast<__m512bh>(_mm512_set1_ps(both));
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], everywhere, bs[v]);
      }
    }
    after_step();
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_ps(to + r * stride + v * right, sums[r][v]);
}

/// to = (from, laid out as it, or zero) + Σ of `steps` steps of a b: 2 × 2 tiles, or only the upper ones, or the left
/// ones, unless kTall, kWide.
template <bool kTall, bool kWide, class AfterStep>
inline void multiply_pairs(const TilePairs& a, const TilePairs& b, int64_t steps, const float* from, const TileSums& to,
                           const AfterStep& after_step) {
  constexpr int kVectors = kWide ? 2 : 1, kRows = 16 / kVectors;
  const TileRows right{static_cast<const char*>(b.data), b.row_bytes, b.step_bytes};
  for (int64_t tile = 0; tile < (kTall ? 2 : 1); ++tile)
    for (int64_t r = 0; r < kTileLines; r += kRows) {
      const TileRows left{static_cast<const char*>(a.data) + tile * a.second_bytes + r * a.row_bytes, a.row_bytes,
                          a.step_bytes};
      const int64_t at = tile * to.below + r * to.row_stride;
      const float* const first = from != nullptr ? from + at : nullptr;
      if (a.row_bytes == kNeighbourBytes)
        multiply_rows<kRows, kVectors, 64>(left, right, b.second_bytes, steps, first, to.data + at, to.row_stride,
                                           to.right, after_step);
      else
        multiply_rows<kRows, kVectors, kNeighbourBytes>(left, right, b.second_bytes, steps, first, to.data + at,
                                                        to.row_stride, to.right, after_step);
    }
}

/// As on AMX tiles (amx_tiles.h), of numbers that are one part.
template <int kParts, bool kTall, bool kWide, bool kLeftStays>
inline void multiply_tiles(const Left& a, const char* b, int64_t /*b_part_bytes*/, const float* from, float* to,
                           int64_t stride, Fetches& fetches) {
  static_assert(kParts == 1, "bfloat16 numbers");
  const TileSums sums{to, stride, kTileLines, kTileLines * stride};
  const auto right = [b](int64_t step) { return TilePairs{b + step * kPairBytes, 64, kTileBytes, kPairBytes}; };
  SourceAhead source = fetches.source;
  SumsAhead next = fetches.sums;
  const int64_t visits = (kTall ? 2 : 1) * (kWide ? 2 : 1) * (a.steps > 0 ? a.steps : 1);
  const int64_t source_lines = ceil_div(fetches.source_lines, visits), sum_lines = ceil_div(next.left(), visits);
  if (a.steps > 0)
    multiply_pairs<kTall, kWide>({a.data, a.row_bytes, a.second_bytes, a.step_bytes}, right(0), a.steps, from, sums,
                                 [&] {
                                   next.fetch(sum_lines);
                                   source.fetch(source_lines);
                                 });
  fetches.source = source;
  if (a.rest != nullptr)
    multiply_pairs<kTall, kWide>({a.rest, kLeftRowBytes, kTileBytes, kPairBytes}, right(a.steps), 1,
                                 a.steps > 0 ? to : from, sums, [] {});
}

/// As on AMX tiles.
template <bool kTall, bool kWide>
inline void multiply_square(const TilePairs& a, const TilePairs& b, int64_t steps, const TileSums& c, bool accumulate) {
  multiply_pairs<kTall, kWide>(a, b, steps, accumulate ? c.data : nullptr, c, [] {});
}

}  // namespace gradfold::GRADFOLD_ISA
