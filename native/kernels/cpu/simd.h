// Vectors of float32 as wide as the instruction set, by compiler vector extensions, and short sums over them.
#pragma once

#include <stdint.h>

#include "integers.h"

namespace gradfold::GRADFOLD_ISA {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
typedef float UnalignedVec __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float)), may_alias));

inline Vec load(const float* from) { return *reinterpret_cast<const UnalignedVec*>(from); }
inline void store(float* to, Vec v) { *reinterpret_cast<UnalignedVec*>(to) = v; }
inline Vec splat(float value) { return Vec{} + value; }

/// Σ of the lanes, by halves.
inline float sum(Vec v) {
  float lanes[kLanes];
  store(lanes, v);
#pragma GCC unroll 4
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

/// Longest run that is summed in float32 before float64 takes over; eight numbers a lane at the widest.
constexpr int64_t kShortBlock = 512;

/// ⟨x, y⟩ of at most kShortBlock numbers, in float32 over 4 kLanes partial sums.
inline float short_dot(const float* x, const float* y, int64_t count) {
  Vec sums[4] = {};
  int64_t j = 0;
  for (; j + 4 * kLanes <= count; j += 4 * kLanes)
    for (int64_t u = 0; u < 4; ++u) sums[u] += load(x + j + u * kLanes) * load(y + j + u * kLanes);
  for (; j + kLanes <= count; j += kLanes) sums[0] += load(x + j) * load(y + j);
  float total = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; j < count; ++j) total += x[j] * y[j];
  return total;
}

/// ⟨x, y⟩ in float64 over short float32 blocks.
inline double long_dot(const float* x, const float* y, int64_t count) {
  double total = 0.0;
  for (int64_t first = 0; first < count; first += kShortBlock)
    total += short_dot(x + first, y + first, least(kShortBlock, count - first));
  return total;
}

/// y += a x
inline void add_scaled(float* y, float a, const float* x, int64_t count) {
  for (int64_t j = 0; j < count; ++j) y[j] += a * x[j];
}

}  // namespace gradfold::GRADFOLD_ISA
