// Sums along one row, for norms: float32 over short blocks in the lanes of a vector, float64 over the blocks.
#pragma once

#include "integers.h"
#include "simd.h"

namespace gradfold::GRADFOLD_ISA {

/// Σ_j term(j) for j < count
template <class Term>
static inline double row_sum(int64_t count, Term term) {
  double total = 0.0;
  for (int64_t first = 0; first < count; first += kShortBlock) {
    const int64_t last = least(first + kShortBlock, count);
    float part = 0.0f;
#pragma omp simd reduction(+ : part)
    for (int64_t j = first; j < last; ++j) part += term(j);
    total += part;
  }
  return total;
}

/// Σ_j term(j) of float64 terms
template <class Term>
static inline double wide_row_sum(int64_t count, Term term) {
  double total = 0.0;
#pragma omp simd reduction(+ : total)
  for (int64_t j = 0; j < count; ++j) total += term(j);
  return total;
}

struct FloatPair {
  float a, b;
};
struct RowSums {
  double a, b;
};

/// Both sums of a term that returns a FloatPair, in one sweep.
template <class Term>
static inline RowSums row_sums(int64_t count, Term term) {
  RowSums total{0.0, 0.0};
  for (int64_t first = 0; first < count; first += kShortBlock) {
    const int64_t last = least(first + kShortBlock, count);
    float a = 0.0f, b = 0.0f;
#pragma omp simd reduction(+ : a, b)
    for (int64_t j = first; j < last; ++j) {
      const FloatPair value = term(j);
      a += value.a;
      b += value.b;
    }
    total.a += a;
    total.b += b;
  }
  return total;
}

}  // namespace gradfold::GRADFOLD_ISA
