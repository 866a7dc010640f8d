// The innermost loop of the product in vectors of AVX512-BF16, over operands as AMX tiles take them: a row of a tile of
// the right operand is a vector of pairs, and meets pairs of the left one, each broadcast to all its lanes (VDPBF16PS).
#pragma once

#include "tile_operands.h"

namespace gradfold::GRADFOLD_ISA {

/// What a thread needs for products while it lives: nothing.
struct TileConfiguration {
  TileConfiguration() {}
};

/// Two neighbours in the inner dimension, wherever they lie.
typedef float Neighbours __attribute__((may_alias, aligned(alignof(Bf16))));
constexpr int64_t kNeighbourBytes = sizeof(Neighbours);

// How a left operand is packed: as a right one, so that no columns need a transposition, which leaves the lines of a
// tile side by side; and which operand stays where the left one is columns.
constexpr Side kLeftSide = Side::right;
constexpr int64_t kLeftRowBytes = kNeighbourBytes;
constexpr bool kLeftColumnsStay = false;
constexpr int64_t kStayBytes = 768 << 10;  // of the operand that stays

/// A left operand whose lines lie one after another.
struct LinesApart {
  const char* data;
  int64_t row_bytes, step_bytes;

  const char* at(int64_t line, int64_t pair) const { return data + line * row_bytes + pair * kNeighbourBytes; }
};

/// A left operand that is packed (kLeftSide).
struct LinesBeside {
  const char* data;
  static constexpr int64_t step_bytes = kPairBytes;

  const char* at(int64_t line, int64_t pair) const {
    return data + line / kTileLines * kTileBytes + line % kTileLines * kNeighbourBytes + pair * 64;
  }
};

/// A right operand of packed tiles.
struct PackedTiles {
  const char* data;
  static constexpr int64_t step_bytes = kPairBytes;

  const char* at(int64_t tile, int64_t pair) const { return data + tile * kTileBytes + pair * 64; }
};

/// A right operand whose tiles lie anywhere.
struct LooseTiles {
  const char* data;
  int64_t row_bytes, second_bytes, step_bytes;

  const char* at(int64_t tile, int64_t pair) const { return data + tile * second_bytes + pair * row_bytes; }
};

/// Where sums are read, null for zero, and written: lines and tiles `stride` and `right` numbers apart.
struct SumRows {
  const float* from;
  float* to;
  int64_t stride, right;
};

/// to = from + Σ of `steps` steps of a b for the kRows lines of a from kFirst on and kVectors tiles of b; sums of about
/// 22 vectors hide the multiplication's latency and leave registers for what is loaded. Calls after_step() after each
/// step. Not inlined, so that nothing else wants its registers.
template <int kFirst, int kRows, int kVectors, class LeftLines, class RightTiles, class AfterStep>
__attribute__((noinline)) void multiply_rows(LeftLines a, RightTiles b, int64_t steps, SumRows c,
                                             const AfterStep& after_step) {
  __m512 sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      sums[r][v] =
          c.from != nullptr ? _mm512_loadu_ps(c.from + (kFirst + r) * c.stride + v * c.right) : _mm512_setzero_ps();
  for (int64_t s = 0; s < steps; ++s, a.data += a.step_bytes, b.data += b.step_bytes) {
#pragma GCC unroll 4
    for (int64_t pair = 0; pair < kStep / 2; ++pair) {
      __m512bh bs[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) bs[v] = reinterpret_cast<__m512bh>(_mm512_loadu_ps(b.at(v, pair)));
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Neighbours both = *reinterpret_cast<const Neighbours*>(a.at(kFirst + r, pair));
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
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_ps(c.to + (kFirst + r) * c.stride + v * c.right, sums[r][v]);
}

/// The same for 32 lines, or 16 unless kTall, and for 32 of b, or 16 unless kWide.
template <bool kTall, bool kWide, class LeftLines, class RightTiles, class AfterStep>
inline void multiply_lines(const LeftLines& a, const RightTiles& b, int64_t steps, const SumRows& c,
                           const AfterStep& after_step) {
  if constexpr (kTall && kWide) {
    multiply_rows<0, 11, 2>(a, b, steps, c, after_step);
    multiply_rows<11, 11, 2>(a, b, steps, c, after_step);
    multiply_rows<22, 10, 2>(a, b, steps, c, after_step);
  } else if constexpr (kWide) {
    multiply_rows<0, 8, 2>(a, b, steps, c, after_step);
    multiply_rows<8, 8, 2>(a, b, steps, c, after_step);
  } else {
    multiply_rows<0, 16, 1>(a, b, steps, c, after_step);
    if constexpr (kTall) multiply_rows<16, 16, 1>(a, b, steps, c, after_step);
  }
}

/// As on AMX tiles (amx_tiles.h), of numbers that are one part.
template <int kParts, bool kTall, bool kWide, bool kLeftStays>
inline void multiply_tiles(const Left& a, const char* b, int64_t /*b_part_bytes*/, const float* from, float* to,
                           int64_t stride, Fetches& fetches) {
  static_assert(kParts == 1, "bfloat16 numbers");
  // Local copies, for the same reason as there.
  SourceAhead source = fetches.source;
  SumsAhead sums = fetches.sums;
  constexpr int64_t kVisits = kTall && kWide ? 3 : kTall || kWide ? 2 : 1;
  const int64_t visits = kVisits * (a.steps > 0 ? a.steps : 1);
  const int64_t source_lines = ceil_div(fetches.source_lines, visits), sum_lines = ceil_div(sums.left(), visits);
  const auto fetch = [&] {
    sums.fetch(sum_lines);
    source.fetch(source_lines);
  };
  if (a.steps > 0) {
    const SumRows c{from, to, stride, kTileLines};
    if (a.row_bytes == kLeftRowBytes)
      multiply_lines<kTall, kWide>(LinesBeside{a.data}, PackedTiles{b}, a.steps, c, fetch);
    else
      multiply_lines<kTall, kWide>(LinesApart{a.data, a.row_bytes, a.step_bytes}, PackedTiles{b}, a.steps, c, fetch);
    from = to;
  }
  fetches.source = source;
  if (a.rest != nullptr)
    multiply_lines<kTall, kWide>(LinesBeside{a.rest}, PackedTiles{b + a.steps * kPairBytes}, 1,
                                 {from, to, stride, kTileLines}, [] {});
}

/// As on AMX tiles.
template <bool kTall, bool kWide>
inline void multiply_square(const TilePairs& a, const TilePairs& b, int64_t steps, const TileSums& c, bool accumulate) {
  const LooseTiles right{static_cast<const char*>(b.data), b.row_bytes, b.second_bytes, b.step_bytes};
  for (int64_t tile = 0; tile < (kTall ? 2 : 1); ++tile) {
    float* const to = c.data + tile * c.below;
    multiply_lines<false, kWide>(
        LinesApart{static_cast<const char*>(a.data) + tile * a.second_bytes, a.row_bytes, a.step_bytes}, right, steps,
        {accumulate ? to : nullptr, to, c.row_stride, c.right}, [] {});
  }
}

}  // namespace gradfold::GRADFOLD_ISA
