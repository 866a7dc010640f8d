// Vectors of float64 of this instruction set (GRADFOLD_ISA). Included by blocks.cpp, within no namespace.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace gradfold::GRADFOLD_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kBytes = 64;
#elif defined(__AVX__)
constexpr int64_t kBytes = 32;
#else
constexpr int64_t kBytes = 16;
#endif
constexpr int64_t kLanes = kBytes / 8;

typedef double Vec __attribute__((vector_size(kBytes)));
typedef int64_t Bits __attribute__((vector_size(kBytes)));
typedef double UnalignedVec __attribute__((vector_size(kBytes), aligned(alignof(double)), may_alias));
typedef float UnalignedHalf __attribute__((vector_size(kBytes / 2), aligned(alignof(float)), may_alias));

inline Vec load(const double* from) { return *reinterpret_cast<const UnalignedVec*>(from); }
inline Vec load(const float* from) {
  const UnalignedHalf narrow = *reinterpret_cast<const UnalignedHalf*>(from);
#if defined(__AVX512F__)
  return _mm512_maskz_cvtps_pd(0xff, narrow);  // which GCC 12 makes in halves of __builtin_convertvector
#else
  return __builtin_convertvector(narrow, Vec);
#endif
}
/// a b + c, rounded once where the instruction set can: said, since a compiler that does not optimize does not see it.
inline Vec fused(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_pd(a, b, c);
#else
  return a * b + c;
#endif
}
inline void store(double* to, Vec v) { *reinterpret_cast<UnalignedVec*>(to) = v; }

/// As store, past the caches where the processor can: nothing is read for it, and nothing else has to leave them. `to`
/// is aligned; what was stored is seen by others after finish_stream().
inline void stream(double* to, Vec v) {
#if defined(__AVX512F__)
  _mm512_stream_pd(to, v);
#elif defined(__AVX__)
  _mm256_stream_pd(to, v);
#elif defined(__SSE2__)
  _mm_stream_pd(to, v);
#else
  store(to, v);
#endif
}
inline void finish_stream() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

/// Numbers from `to` on up to the first place of a whole vector, at most n.
inline int64_t rows_to_alignment(const double* to, int64_t n) {
  const auto off = static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) / sizeof(double)) % kLanes;
  const int64_t rows = off == 0 ? 0 : kLanes - off;
  return rows < n ? rows : n;
}

/// Σ of the lanes, by halves.
inline double sum(Vec v) {
  double lanes[kLanes];
  store(lanes, v);
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

}  // namespace
}  // namespace gradfold::GRADFOLD_ISA
