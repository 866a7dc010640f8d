// The innermost loop of the product on AMX tiles. Eight tiles hold 2 × 2 sums, two of the left and two of the right
// operand: one load a multiplication, the least that eight allow. A step's loads stand together before its
// multiplications: that ran at 1.3 times the rate of loads in between on a processor whose tiles multiplied at 0.4 of
// their full rate, presumably because the core's other hardware thread was busy, and at the same where they did not.
// The operand that stays in the second-level cache is loaded with the hint not to keep it in the first.
#pragma once

#include <string.h>

#include "tile_operands.h"

namespace gradfold::GRADFOLD_ISA {

// How a left operand is packed: as tiles read it; and which operand stays where the left one is columns.
constexpr Side kLeftSide = Side::left;
constexpr int64_t kLeftRowBytes = 64;
constexpr bool kLeftColumnsStay = true;
/// Of the operand that stays (1.5 MiB of it were slower).
constexpr int64_t kStayBytes = 1 << 20;

/// Eight full tiles. Other code on the thread configures tiles of its own (oneDNN does), so every product does it anew,
/// and leaves none behind.
class TileConfiguration {
 public:
  TileConfiguration() {
    alignas(64) uint8_t configuration[64] = {1};  // palette 1
    for (int tile = 0; tile < 8; ++tile) {
      const uint16_t row_bytes = 64;
      memcpy(configuration + 16 + 2 * tile, &row_bytes, sizeof row_bytes);
      configuration[48 + tile] = 16;  // rows
    }
    _tile_loadconfig(configuration);
  }
  ~TileConfiguration() { _tile_release(); }
  TileConfiguration(const TileConfiguration&) = delete;
  TileConfiguration& operator=(const TileConfiguration&) = delete;
};

/// Sums [32 × 32] or a part: to = from (or zero) + the left times one panel of the right. kTall, kWide: more than one
/// tile high, wide. Of kParts parts of either operand those pairs are multiplied whose sum matters: part l of the left
/// with part r of the right where l + r < kParts.
template <int kParts, bool kTall, bool kWide, bool kLeftStays>
inline void multiply_tiles(const Left& a, const char* b, int64_t b_part_bytes, const float* from, float* to,
                           int64_t stride, Fetches& fetches) {
  const int64_t sum_bytes = stride * static_cast<int64_t>(sizeof(float));
  if (from != nullptr) {
    _tile_loadd(0, from, sum_bytes);
    if constexpr (kWide) _tile_loadd(1, from + 16, sum_bytes);
    if constexpr (kTall) _tile_loadd(2, from + 16 * stride, sum_bytes);
    if constexpr (kTall && kWide) _tile_loadd(3, from + 16 * stride + 16, sum_bytes);
  } else {
    _tile_zero(0);
    if constexpr (kWide) _tile_zero(1);
    if constexpr (kTall) _tile_zero(2);
    if constexpr (kTall && kWide) _tile_zero(3);
  }
  const auto load_left = [](const char* left, int64_t row_bytes, int64_t second_bytes) {
    if constexpr (kLeftStays) {
      _tile_stream_loadd(4, left, row_bytes);
      if constexpr (kTall) _tile_stream_loadd(5, left + second_bytes, row_bytes);
    } else {
      _tile_loadd(4, left, row_bytes);
      if constexpr (kTall) _tile_loadd(5, left + second_bytes, row_bytes);
    }
  };
  const auto load_right = [](const char* right) {
    if constexpr (kLeftStays) {
      _tile_loadd(6, right, 64);
      if constexpr (kWide) _tile_loadd(7, right + kTileBytes, 64);
    } else {
      _tile_stream_loadd(6, right, 64);
      if constexpr (kWide) _tile_stream_loadd(7, right + kTileBytes, 64);
    }
  };
  const auto multiply = [] {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kWide) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kTall && kWide) _tile_dpbf16ps(3, 5, 7);
    if constexpr (kTall) _tile_dpbf16ps(2, 5, 6);
  };
  const auto step = [&](const char* left, int64_t row_bytes, int64_t second_bytes, const char* right) {
#pragma GCC unroll 3
    for (int l = 0; l < kParts; ++l) {
      load_left(left + l * a.part_bytes, row_bytes, second_bytes);
#pragma GCC unroll 3
      for (int r = kParts - 1 - l; r >= 0; --r) {
        const bool there = l > 0 && l == kParts - 1;  // the part before ended with the same one
        if (!there) load_right(right + r * b_part_bytes);
        multiply();
      }
    }
  };
  // Local copies stay in registers: for all the compiler knows the tiles' stores could change the others.
  SourceAhead source = fetches.source;
  SumsAhead sums = fetches.sums;
  const int64_t steps = a.steps > 0 ? a.steps : 1;
  const int64_t source_lines = ceil_div(fetches.source_lines, steps), sum_lines = ceil_div(sums.left(), steps);
  const char* left = a.data;
  for (int64_t s = 0; s < a.steps; ++s, left += a.step_bytes, b += kPairBytes) {
    step(left, a.row_bytes, a.second_bytes, b);
    sums.fetch(sum_lines);
    source.fetch(source_lines);
  }
  fetches.source = source;
  if (a.rest != nullptr) step(a.rest, 64, kTileBytes, b);
  _tile_stored(0, to, sum_bytes);
  if constexpr (kWide) _tile_stored(1, to + 16, sum_bytes);
  if constexpr (kTall) _tile_stored(2, to + 16 * stride, sum_bytes);
  if constexpr (kTall && kWide) _tile_stored(3, to + 16 * stride + 16, sum_bytes);
}

/// c = (accumulate ? c : 0) + Σ of `steps` steps of a b; only its upper tiles, or its left ones, unless kTall, kWide.
template <bool kTall, bool kWide>
inline void multiply_square(const TilePairs& a, const TilePairs& b, int64_t steps, const TileSums& c, bool accumulate) {
  const int64_t sum_bytes = c.row_stride * static_cast<int64_t>(sizeof(float));
  if (accumulate) {
    _tile_loadd(0, c.data, sum_bytes);
    if constexpr (kWide) _tile_loadd(1, c.data + c.right, sum_bytes);
    if constexpr (kTall) _tile_loadd(2, c.data + c.below, sum_bytes);
    if constexpr (kTall && kWide) _tile_loadd(3, c.data + c.below + c.right, sum_bytes);
  } else {
    _tile_zero(0);
    if constexpr (kWide) _tile_zero(1);
    if constexpr (kTall) _tile_zero(2);
    if constexpr (kTall && kWide) _tile_zero(3);
  }
  const char *left = static_cast<const char*>(a.data), *right = static_cast<const char*>(b.data);
  for (int64_t s = 0; s < steps; ++s, left += a.step_bytes, right += b.step_bytes) {
    _tile_loadd(6, right, b.row_bytes);
    if constexpr (kWide) _tile_loadd(7, right + b.second_bytes, b.row_bytes);
    _tile_loadd(4, left, a.row_bytes);
    if constexpr (kTall) _tile_loadd(5, left + a.second_bytes, a.row_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kWide) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kTall && kWide) _tile_dpbf16ps(3, 5, 7);
    if constexpr (kTall) _tile_dpbf16ps(2, 5, 6);
  }
  _tile_stored(0, c.data, sum_bytes);
  if constexpr (kWide) _tile_stored(1, c.data + c.right, sum_bytes);
  if constexpr (kTall) _tile_stored(2, c.data + c.below, sum_bytes);
  if constexpr (kTall && kWide) _tile_stored(3, c.data + c.below + c.right, sum_bytes);
}

}  // namespace gradfold::GRADFOLD_ISA
