// Operands of a product as AMX tiles take them (Intel 64 manual, TDPBF16PS). A tile is 16 rows of 64 bytes. One of the
// left operand holds 16 lines with 32 numbers of the inner dimension each; one of the right operand holds 16 pairs of
// neighbours in the inner dimension, of 16 lines each. Either comes from memory where the lines are rows (the inner
// dimension runs along memory) or columns; what differs is a transposition of 16 × 16 pairs.
#pragma once

#include <immintrin.h>

#include "integers.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

constexpr int64_t kTileLines = 16;
/// Numbers of the inner dimension in a tile: one step of the multiplication.
constexpr int64_t kStep = 32;
constexpr int64_t kTileBytes = 1024;
/// Tiles are packed in pairs: 32 lines, one tile after the other in every step.
constexpr int64_t kPanelLines = 2 * kTileLines;
constexpr int64_t kPairBytes = 2 * kTileBytes;

/// One operand seen as lines along C times the inner dimension.
template <class T>
struct Lines {
  const T* data;
  int64_t stride;
  bool columns;  // (line, k) at data[k * stride + line], else at data[line * stride + k]
};

inline __mmask32 first_of_32(int64_t count) { return count >= 32 ? ~__mmask32{0} : (__mmask32{1} << count) - 1; }
inline __mmask16 first_of_16(int64_t count) {
  return count >= 16 ? static_cast<__mmask16>(~0) : static_cast<__mmask16>((1 << count) - 1);
}

/// `count` numbers as bfloat16, zero beyond them.
inline __m512i load_32(const Bf16* from, int64_t count) { return _mm512_maskz_loadu_epi16(first_of_32(count), from); }
inline __m512i load_32(const float* from, int64_t count) {
  const __m512 low = _mm512_maskz_loadu_ps(first_of_16(count), from);
  const __m512 high = count > 16 ? _mm512_maskz_loadu_ps(first_of_16(count - 16), from + 16) : _mm512_setzero_ps();
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}
inline __m256i load_16(const Bf16* from, int64_t count) { return _mm256_maskz_loadu_epi16(first_of_16(count), from); }
inline __m256i load_16(const float* from, int64_t count) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(first_of_16(count), from)));
}

/// In place: 16 × 16 32-bit numbers, rows[r][c] becomes rows[c][r].
inline void transpose_16(__m512i (&rows)[16]) {
  __m512i pairs[16];
#pragma GCC unroll 4
  for (int g = 0; g < 16; g += 4) {
    const __m512i a = _mm512_unpacklo_epi32(rows[g], rows[g + 1]), b = _mm512_unpackhi_epi32(rows[g], rows[g + 1]);
    const __m512i c = _mm512_unpacklo_epi32(rows[g + 2], rows[g + 3]);
    const __m512i d = _mm512_unpackhi_epi32(rows[g + 2], rows[g + 3]);
    pairs[g] = _mm512_unpacklo_epi64(a, c);
    pairs[g + 1] = _mm512_unpackhi_epi64(a, c);
    pairs[g + 2] = _mm512_unpacklo_epi64(b, d);
    pairs[g + 3] = _mm512_unpackhi_epi64(b, d);
  }
  // pairs[g + j] holds, in its 128-bit lane l, column 4 l + j of rows g … g + 3: what is left is a 4 × 4 transposition
  // of lanes for every j.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i a = _mm512_shuffle_i32x4(pairs[j], pairs[4 + j], 0x44);
    const __m512i b = _mm512_shuffle_i32x4(pairs[j], pairs[4 + j], 0xee);
    const __m512i c = _mm512_shuffle_i32x4(pairs[8 + j], pairs[12 + j], 0x44);
    const __m512i d = _mm512_shuffle_i32x4(pairs[8 + j], pairs[12 + j], 0xee);
    rows[j] = _mm512_shuffle_i32x4(a, c, 0x88);
    rows[4 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
    rows[8 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
    rows[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
}

/// A float32 number seen as a sum of bfloat16 numbers: the first is its rounding, each of the next that of what those
/// before it leave. Two hold 16 bits of the 24, three all of them.
template <int kPart>
struct Part {
  float number;
};

/// The nearest bfloat16 numbers, as float32 ones; NaN stays NaN.
inline __m512 rounded(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __mmask16 numbers = _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q);
  const __m512i up = _mm512_mask_add_epi32(bits, numbers, bits, _mm512_set1_epi32(0x8000));
  return _mm512_castsi512_ps(_mm512_and_si512(up, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
}

template <int kPart>
inline __m512 parts_of(const Part<kPart>* from, int64_t count) {
  __m512 x = _mm512_maskz_loadu_ps(first_of_16(count), from);
#pragma GCC unroll 2
  for (int part = 0; part < kPart; ++part) x = _mm512_sub_ps(x, rounded(x));
  return rounded(x);
}

template <int kPart>
inline __m512i load_32(const Part<kPart>* from, int64_t count) {
  const __m512 high = count > 16 ? parts_of(from + 16, count - 16) : _mm512_setzero_ps();
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, parts_of(from, count)));
}

/// Pairs of 16-bit numbers, of up to 16 from `even` (null: zeros) below those from `odd`.
template <class T>
inline __m512i pairs_16(const T* even, const T* odd, int64_t count) {
  const __m256i zero = _mm256_setzero_si256();
  const __m512i low = _mm512_cvtepu16_epi32(even ? load_16(even, count) : zero);
  const __m512i high = _mm512_cvtepu16_epi32(odd ? load_16(odd, count) : zero);
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}
template <int kPart>
inline __m512i pairs_16(const Part<kPart>* even, const Part<kPart>* odd, int64_t count) {
  const __m512 low = even ? parts_of(even, count) : _mm512_setzero_ps();
  const __m512 high = odd ? parts_of(odd, count) : _mm512_setzero_ps();
  return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(low), 16), _mm512_castps_si512(high));
}

enum class Side { left, right };

/// One tile from `lines` (at most 16) lines at `first` and `depth` (at most 32) numbers at k; zeros fill the rest.
/// kWhole: nothing is to be filled.
template <Side kSide, bool kWhole, class T>
inline void pack_tile(const Lines<T>& from, int64_t first, int64_t lines, int64_t k, int64_t depth, char* to) {
  if constexpr (kWhole) {
    lines = kTileLines;
    depth = kStep;
  }
  __m512i rows[16];
  if (from.columns) {
    const T* corner = from.data + k * from.stride + first;
#pragma GCC unroll 16
    for (int64_t r = 0; r < 16; ++r) {
      const T* even = corner + 2 * r * from.stride;
      rows[r] = pairs_16(2 * r < depth ? even : nullptr, 2 * r + 1 < depth ? even + from.stride : nullptr, lines);
    }
  } else {
    const T* corner = from.data + first * from.stride + k;
#pragma GCC unroll 16
    for (int64_t r = 0; r < 16; ++r)
      rows[r] = r < lines ? load_32(corner + r * from.stride, depth) : _mm512_setzero_si512();
  }
  if (from.columns == (kSide == Side::left)) transpose_16(rows);
#pragma GCC unroll 16
  for (int r = 0; r < 16; ++r) _mm512_store_si512(to + r * 64, rows[r]);
}

/// 32 lines of columns and a whole step at once: whole cache lines, and half the shuffles.
template <Side kSide>
inline void pack_columns(const Bf16* corner, int64_t stride, char* to) {
  // Interleaving two rows works within 128 bits: low has the pairs of lines 8 l … 8 l + 3 in its part l, high those of
  // 8 l + 4 … 8 l + 7.
  __m512i low[16], high[16];
#pragma GCC unroll 16
  for (int64_t r = 0; r < 16; ++r) {
    if constexpr (kSide == Side::left) {
      __builtin_prefetch(corner + (kStep + 2 * r) * stride, 0, 3);
      __builtin_prefetch(corner + (kStep + 2 * r + 1) * stride, 0, 3);
    }
    const __m512i even = _mm512_loadu_si512(corner + 2 * r * stride);
    const __m512i odd = _mm512_loadu_si512(corner + (2 * r + 1) * stride);
    low[r] = _mm512_unpacklo_epi16(even, odd);
    high[r] = _mm512_unpackhi_epi16(even, odd);
    if constexpr (kSide == Side::right) {
      const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
      const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
      _mm512_store_si512(to + r * 64, _mm512_permutex2var_epi64(low[r], first, high[r]));
      _mm512_store_si512(to + kTileBytes + r * 64, _mm512_permutex2var_epi64(low[r], second, high[r]));
    }
  }
  if constexpr (kSide == Side::left) {
    transpose_16(low);
    transpose_16(high);
#pragma GCC unroll 16
    for (int64_t r = 0; r < 16; ++r) {
      const int64_t line = r / 4 * 8 + r % 4;
      _mm512_store_si512(to + line * 64, low[r]);
      _mm512_store_si512(to + (line + 4) * 64, high[r]);
    }
  }
}

/// A pair of tiles: up to 32 lines and one step.
template <Side kSide, class T>
inline void pack_pair(const Lines<T>& from, int64_t line, int64_t lines, int64_t k, int64_t depth, char* to) {
  if constexpr (type_of<T> == Type::bf16)
    if (from.columns && lines == kPanelLines && depth == kStep)
      return pack_columns<kSide>(from.data + k * from.stride + line, from.stride, to);
  for (int64_t tile = 0; tile < 2; ++tile, line += kTileLines, lines -= kTileLines, to += kTileBytes) {
    const int64_t here = least(kTileLines, lines > 0 ? lines : 0);
    if (here == kTileLines && depth == kStep)
      pack_tile<kSide, true>(from, line, here, k, depth, to);
    else
      pack_tile<kSide, false>(from, line, here, k, depth, to);
  }
}

/// The same of every part of the numbers, part_bytes apart.
template <Side kSide, int kParts, int kPart = 0>
inline void pack_parts(const Lines<float>& from, int64_t line, int64_t lines, int64_t k, int64_t depth, char* to,
                       int64_t part_bytes) {
  const Lines<Part<kPart>> part{reinterpret_cast<const Part<kPart>*>(from.data), from.stride, from.columns};
  pack_pair<kSide>(part, line, lines, k, depth, to);
  if constexpr (kPart + 1 < kParts)
    pack_parts<kSide, kParts, kPart + 1>(from, line, lines, k, depth, to + part_bytes, part_bytes);
}

/// Bytes of some lines' panels.
inline int64_t panels_bytes(int64_t lines, int64_t depth) {
  return ceil_div(lines, kPanelLines) * ceil_div(depth, kStep) * kPairBytes;
}

/// Packs the lines [first, end) and `depth` numbers at k0 into panels of 32 lines, each of which is pairs of tiles,
/// step after step; where numbers are taken as several parts, panels_bytes for one part after the other. Rows of
/// columns are read to their end before the next ones, as memory likes it.
template <Side kSide, int kParts = 1, class T>
void pack_panels(const Lines<T>& from, int64_t first, int64_t end, int64_t k0, int64_t depth, char* to) {
  const int64_t panel_bytes = panels_bytes(1, depth);
  const auto pack = [&](int64_t line, int64_t k) {
    const int64_t lines = least(kPanelLines, end - line), numbers = least(kStep, depth - k);
    char* const pair = to + (line - first) / kPanelLines * panel_bytes + k / kStep * kPairBytes;
    if constexpr (kParts == 1)
      pack_pair<kSide>(from, line, lines, k0 + k, numbers, pair);
    else
      pack_parts<kSide, kParts>(from, line, lines, k0 + k, numbers, pair, panels_bytes(end - first, depth));
  };
  if (from.columns) {
    for (int64_t k = 0; k < depth; k += kStep)
      for (int64_t line = first; line < end; line += kPanelLines) pack(line, k);
  } else {
    for (int64_t line = first; line < end; line += kPanelLines)
      for (int64_t k = 0; k < depth; k += kStep) pack(line, k);
  }
}

}  // namespace gradfold::GRADFOLD_ISA
