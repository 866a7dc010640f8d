// The innermost loops over tiles: on AMX tiles where the compiler may use them, else in vectors of AVX512-BF16.
#pragma once

#ifdef __AMX_BF16__
#include "amx_tiles.h"
#else
#include "vector_tiles.h"
#endif

namespace gradfold::GRADFOLD_ISA {

/// multiply_tiles for rows × cols sums, at most 32 of either.
template <int kParts, bool kLeftStays>
inline void multiply_tiles(const Left& a, const char* b, int64_t b_part_bytes, const float* from, float* to,
                           int64_t stride, int64_t rows, int64_t cols, Fetches& fetches) {
  const bool tall = rows > kTileLines, wide = cols > kTileLines;
  if (tall)
    wide ? multiply_tiles<kParts, true, true, kLeftStays>(a, b, b_part_bytes, from, to, stride, fetches)
         : multiply_tiles<kParts, true, false, kLeftStays>(a, b, b_part_bytes, from, to, stride, fetches);
  else
    wide ? multiply_tiles<kParts, false, true, kLeftStays>(a, b, b_part_bytes, from, to, stride, fetches)
         : multiply_tiles<kParts, false, false, kLeftStays>(a, b, b_part_bytes, from, to, stride, fetches);
}

/// multiply_square for rows × cols sums of the square.
inline void multiply_square(const TilePairs& a, const TilePairs& b, int64_t steps, const TileSums& c, bool accumulate,
                            int64_t rows, int64_t cols) {
  if (rows > kTileLines)
    cols > kTileLines ? multiply_square<true, true>(a, b, steps, c, accumulate)
                      : multiply_square<true, false>(a, b, steps, c, accumulate);
  else
    cols > kTileLines ? multiply_square<false, true>(a, b, steps, c, accumulate)
                      : multiply_square<false, false>(a, b, steps, c, accumulate);
}

}  // namespace gradfold::GRADFOLD_ISA
