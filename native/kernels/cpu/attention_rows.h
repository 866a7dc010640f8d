// Loops over the visible part of a strip's row that several attention passes share; all over whole vectors.
#pragma once

#include "attention_strip.h"
#include "vector_math.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace gradfold::GRADFOLD_ISA {

/// Half a vector's numbers in float64.
typedef double DoubleVec __attribute__((vector_size(kLanes / 2 * sizeof(double))));

static inline DoubleVec widen(const float* x) {
#ifdef __AVX512F__
  // GCC 12 converts vectors by halves, and warns of its own header where there is no mask.
  return _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(x));
#else
  typedef float Half __attribute__((vector_size(kLanes / 2 * sizeof(float)), aligned(alignof(float)), may_alias));
  return __builtin_convertvector(*reinterpret_cast<const Half*>(x), DoubleVec);
#endif
}

/// s = exp(scale s − shift)
static inline void exponentials(float* s, int64_t vectors, float scale, float shift) {
#pragma omp simd
  for (int64_t j = 0; j < vectors * kLanes; ++j) s[j] = exp_float(scale * s[j] - shift);
}

/// Adds Σ_j terms(j) to kSums sums in float64; terms(j, t) puts the terms of the kLanes / 2 numbers from j on into t.
/// Four partial sums each, so that additions need not wait for one another; their lanes are added by halves at the end.
template <int kSums, class Terms>
static inline void add_row_sums(int64_t vectors, double (&sums)[kSums], Terms terms) {
  DoubleVec totals[kSums][4] = {};
  const auto add = [&](int64_t j, int part) {
    DoubleVec t[kSums];
    terms(j, t);
#pragma GCC unroll 5
    for (int i = 0; i < kSums; ++i) totals[i][part] += t[i];
  };
  int64_t v = 0;
  for (; v + 2 <= vectors; v += 2)
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) add(v * kLanes + part * (kLanes / 2), part);
  if (v < vectors)
#pragma GCC unroll 2
    for (int part = 0; part < 2; ++part) add(v * kLanes + part * (kLanes / 2), part);
#pragma GCC unroll 5
  for (int i = 0; i < kSums; ++i) {
    const DoubleVec total = (totals[i][0] + totals[i][1]) + (totals[i][2] + totals[i][3]);
    double lanes[kLanes / 2];
    __builtin_memcpy(lanes, &total, sizeof lanes);
#pragma GCC unroll 4
    for (int64_t half = kLanes / 4; half > 0; half /= 2)
#pragma GCC unroll 4
      for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    sums[i] += lanes[0];
  }
}

/// The largest of a row's numbers.
static inline float largest_of(const float* s, int64_t vectors) {
  Vec parts[2] = {load(s), load(s)};
  for (int64_t v = 0; v + 1 < vectors; v += 2)
#pragma GCC unroll 2
    for (int64_t u = 0; u < 2; ++u) {
      const Vec x = load(s + (v + u) * kLanes);
      parts[u] = x > parts[u] ? x : parts[u];
    }
  const Vec last = load(s + (vectors - 1) * kLanes);
  parts[0] = last > parts[0] ? last : parts[0];
  float lanes[kLanes];
  store(lanes, parts[0] > parts[1] ? parts[0] : parts[1]);
#pragma GCC unroll 4
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int64_t lane = 0; lane < half; ++lane)
      lanes[lane] = lanes[lane] > lanes[lane + half] ? lanes[lane] : lanes[lane + half];
  return lanes[0];
}

}  // namespace gradfold::GRADFOLD_ISA
