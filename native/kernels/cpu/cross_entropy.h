// What the cross-entropy of a row of logits and its tangent share.
//
// A row is swept three times while it stays in the second-level cache: for its maximum, for its exponentials, which are
// the costly part and are taken once, and for the gradient. The label's column is kept out of the sums: with Z =
// Σ_{v ≠ label} e_v and own = e_label the loss is log(1 + Z / own) and the label's gradient −scale Z / (Z + own), both
// good to the last digits also where the model is sure.
#pragma once

#include <math.h>

#include "integers.h"
#include "simd.h"
#include "typed.h"
#include "vector_math.h"

namespace gradfold::GRADFOLD_ISA {

/// A float64 number as the sum of two of float32. Factors of a whole row are such: their rounding to float32 would be
/// one common error of the row, which sums over samples that nearly cancel would bring to light.
struct Split {
  float high, low;
  explicit Split(double value) : high(float(value)), low(float(value - double(high))) {}
  float times(float x) const { return x * high + x * low; }
  float taken_from(float x) const { return (x - high) - low; }
};

/// max(x), at least the lowest finite float, so that −∞ less the maximum is −∞.
static inline float row_max(const float* x, int64_t count) {
  float largest = -__FLT_MAX__;
#pragma omp simd reduction(max : largest)
  for (int64_t j = 0; j < count; ++j) largest = x[j] > largest ? x[j] : largest;
  return largest;
}

/// The sums over one row of logits, its exponentials taken relative to its maximum.
struct RowSums {
  float shift;    // the maximum
  double own;     // exp(x_label − shift)
  double offset;  // shift − x_label
  double rest;    // Σ exp(x − shift) without the label

  RowSums(const float* x, int64_t count, int64_t label)
      : shift(row_max(x, count)), own(exp(double(x[label]) - shift)), offset(double(shift) - x[label]), rest(0) {}

  double sum() const { return rest + own; }
  /// log Σ exp(x − shift); own is exactly 1 where no logit is larger than the label's.
  double log_sum() const { return log1p(rest + (own - 1.0)); }
  double loss() const { return log_sum() + offset; }
  double lse() const { return log_sum() + double(shift); }
};

/// Calls run(first, length) for short runs of columns that cover all but `excluded`.
template <class Run>
static inline void for_runs_except(int64_t excluded, int64_t count, Run run) {
  int64_t first = 0;
  while (first < count) {
    if (first == excluded) {
      ++first;
      continue;
    }
    const int64_t block_end = least((first / kShortBlock + 1) * kShortBlock, count);
    const int64_t end = first < excluded ? least(block_end, excluded) : block_end;
    run(first, end - first);
    first = end;
  }
}

/// Σ of term(j) over a run of at most kShortBlock numbers: eight of a full run add up in float32, the rest in float64.
/// An error of the sum would be one common error of the row, too.
template <class Term>
static inline double sum_of_run(int64_t length, Term term) {
  constexpr int64_t kEighth = kShortBlock / 8;
  double sum = 0;
  if (length == kShortBlock) {
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < kEighth; ++j) {
      const float low = (term(j) + term(j + kEighth)) + (term(j + 2 * kEighth) + term(j + 3 * kEighth));
      const float high =
          (term(j + 4 * kEighth) + term(j + 5 * kEighth)) + (term(j + 6 * kEighth) + term(j + 7 * kEighth));
      sum += double(low + high);
    }
  } else {
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < length; ++j) sum += double(term(j));
  }
  return sum;
}

/// e = exp(x − shift); e may be x.
static inline void exp_of_run(const float* x, int64_t length, float shift, float* e) {
#pragma omp simd
  for (int64_t j = 0; j < length; ++j) e[j] = exp_float(x[j] - shift);
}

/// Where the exponentials of a row wait until their sum is known: in the gradient's own row where that holds float32,
/// else in scratch memory.
static inline float* exponentials(float* gradient, void*) { return gradient; }
static inline float* exponentials(Bf16*, void* memory) { return static_cast<float*>(memory); }

/// Bytes that scratch memory must have for it.
static inline size_t exponentials_bytes(Type gradient, int64_t count) {
  return gradient == Type::f32 ? 0 : static_cast<size_t>(count) * sizeof(float);
}

}  // namespace gradfold::GRADFOLD_ISA
