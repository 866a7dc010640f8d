// Cross-entropy of rows of logits, its gradient and their tangents: a block for each row.
//
// A row is read twice: once for its sums, whose exponentials are relative to the largest logit so far, once for the
// gradient. As on the CPU the label's column is kept out of the sums: with Z = Σ_{v ≠ label} e_v and own = e_label the
// loss is log(1 + Z / own) and the label's gradient −scale Z / (Z + own), both good to the last digits also where the
// model is sure. Up to kRun exponentials add up in float32, everything else in float64.
#pragma once

#include <float.h>

#include "reduce.cuh"

namespace gradfold::cuda {

/// A float64 number as the sum of two of float32. Factors of a whole row are such: their rounding to float32 would be
/// one common error of the row, which sums over samples that nearly cancel would bring to light.
struct Split {
  float high, low;
  __device__ __forceinline__ explicit Split(double value) : high(float(value)), low(float(value - double(high))) {}
  __device__ __forceinline__ float times(float x) const { return fmaf(x, high, x * low); }
  __device__ __forceinline__ float taken_from(float x) const { return (x - high) - low; }
};

/// Rows of logits.
struct Logits {
  const float* data;
  int64_t stride;
  int cols;

  __device__ __forceinline__ const float* row() const { return data + int64_t(blockIdx.x) * stride; }
};

/// What a thread, or a block, has of a row: exponentials relative to `top`, the largest logit seen (at least the lowest
/// finite number, so that −∞ less it is −∞), the label's left out; with the tangents relative to `pivot`, that of the
/// largest logit.
struct Exponentials {
  float top;
  double sum;      // Σ exp(x − top)
  int column;      // the first of the largest logit
  float pivot;     // its tangent
  double tangent;  // Σ exp(x − top) (ẋ − pivot)

  /// Goes over to a larger logit.
  __device__ __forceinline__ void move(float larger, float new_pivot) {
    const double keep = exp(double(top) - double(larger));
    tangent = keep * (tangent + sum * (double(pivot) - double(new_pivot)));
    sum *= keep;
    top = larger;
    pivot = new_pivot;
  }
};

/// Columns that a thread takes in one turn.
inline constexpr int kRun = 4;

/// A thread's share of a row. kDual: with tangents, else x_dot is not read.
template <bool kDual, int kThreads>
__device__ __forceinline__ Exponentials scan_row(const float* x, const float* x_dot, int cols, int label) {
  Exponentials mine{-FLT_MAX, 0.0, cols, 0.0f, 0.0};
  for (int first = int(threadIdx.x); first < cols; first += kRun * kThreads) {
    float value[kRun], along[kRun];
    float largest = mine.top, pivot = 0.0f;
    int column = cols;
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const int c = first + i * kThreads;
      value[i] = c < cols ? x[c] : -INFINITY;
      along[i] = kDual && c < cols ? x_dot[c] : 0.0f;
      if (value[i] > largest) largest = value[i], pivot = along[i], column = c;
    }
    if (largest > mine.top) {
      mine.move(largest, pivot);
      mine.column = column;
    }
    float sum = 0.0f, tangent = 0.0f;
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const float e = first + i * kThreads == label ? 0.0f : expf(value[i] - mine.top);
      sum += e;
      if (kDual) tangent = fmaf(e, along[i] - mine.pivot, tangent);
    }
    mine.sum += double(sum);
    mine.tangent += double(tangent);
  }
  return mine;
}

/// The whole row's, on every thread.
template <bool kDual, int kThreads>
__device__ __forceinline__ Exponentials join_threads(Exponentials mine, const float* x_dot, int cols) {
  GRADFOLD_SHARED(float, tops, kThreads / kWarp);
  GRADFOLD_SHARED(int, columns, kThreads / kWarp);
  const int thread = int(threadIdx.x);
  float top = warp_max(mine.top);
  if (thread % kWarp == 0) tops[thread / kWarp] = top;
  __syncthreads();
#pragma unroll 1
  for (int w = 0; w < kThreads / kWarp; ++w) top = fmaxf(top, tops[w]);
  Exponentials all{top, 0.0, 0, 0.0f, 0.0};
  if (kDual) {
    int column = mine.top == top ? mine.column : cols;
#pragma unroll
    for (int by = kWarp / 2; by > 0; by /= 2) {
      const int other = __shfl_xor_sync(kWholeWarp, column, by);
      column = other < column ? other : column;
    }
    if (thread % kWarp == 0) columns[thread / kWarp] = column;
    __syncthreads();
    column = cols;
#pragma unroll 1
    for (int w = 0; w < kThreads / kWarp; ++w) {
      const int other = columns[w];
      column = other < column ? other : column;
    }
    all.column = column < cols ? column : 0;  // none is finite
    all.pivot = x_dot[all.column];
  }
  mine.move(top, all.pivot);
  double sums[2] = {mine.sum, mine.tangent};
  block_sums(sums);
  all.sum = sums[0];
  all.tangent = sums[1];
  return all;
}

/// What becomes of a row.
struct RowLoss {
  double own;     // exp(x_label − top)
  double offset;  // top − x_label
  double rest;    // Σ exp(x − top) without the label

  __device__ __forceinline__ RowLoss(const Exponentials& row, float at_label)
      : own(exp(double(at_label) - double(row.top))), offset(double(row.top) - double(at_label)), rest(row.sum) {}
  __device__ __forceinline__ double sum() const { return rest + own; }
  /// log Σ exp(x − top); own is exactly 1 where no logit is larger than the label's.
  __device__ __forceinline__ double log_sum() const { return log1p(rest + (own - 1.0)); }
};

/// loss, and lse unless that is null; with scale also the gradient, which may be the logits. Grid: rows.
template <class T, int kThreads>
__global__ void __launch_bounds__(kThreads) cross_entropy_rows(Logits logits, const int32_t* label, const double* scale,
                                                               double* loss, double* lse, T* gradient, int64_t stride) {
  const int r = int(blockIdx.x), own_column = label[r];
  const float* x = logits.row();
  const float at_label = x[own_column];
  const Exponentials all = join_threads<false, kThreads>(scan_row<false, kThreads>(x, nullptr, logits.cols, own_column),
                                                         nullptr, logits.cols);
  const RowLoss row(all, at_label);
  if (threadIdx.x == 0) {
    const double log_sum = row.log_sum();
    loss[r] = log_sum + row.offset;
    if (lse) lse[r] = log_sum + double(all.top);
  }
  if (!scale) return;
  const Split factor(scale[r] / row.sum());
  const float of_label = float(-scale[r] * row.rest / row.sum());
  T* out = gradient + int64_t(r) * stride;
  for (int c = int(threadIdx.x); c < logits.cols; c += kThreads)
    out[c] = from_float<T>(c == own_column ? of_label : factor.times(expf(x[c] - all.top)));
}

/// The dual form: also loss_dot, and with scale the gradient and its tangent, which may be the logits and theirs. The
/// mean Σ_v p_v L̇_v is summed as its difference from the L̇ of the largest logit, so that it keeps its digits where one
/// column has nearly all of the probability. Grid: rows.
template <class T, int kThreads>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_dual_rows(Logits logits, Logits logits_dot, const int32_t* label, const double* scale, double* loss,
                            double* loss_dot, T* gradient, int64_t stride, T* gradient_dot, int64_t stride_dot) {
  const int r = int(blockIdx.x), own_column = label[r], cols = logits.cols;
  const float *x = logits.row(), *x_dot = logits_dot.row();
  const float at_label = x[own_column], dot_at_label = x_dot[own_column];
  const Exponentials all =
      join_threads<true, kThreads>(scan_row<true, kThreads>(x, x_dot, cols, own_column), x_dot, cols);
  const RowLoss row(all, at_label);
  const double label_drift = double(dot_at_label) - double(all.pivot);
  const double drift = (all.tangent + row.own * label_drift) / row.sum();  // Σ_v p_v L̇_v − pivot
  if (threadIdx.x == 0) {
    loss[r] = row.log_sum() + row.offset;
    loss_dot[r] = drift - label_drift;
  }
  if (!scale) return;
  const double whole = scale[r] / row.sum();
  const Split factor(whole), mean_dot(double(all.pivot) + drift);
  const float of_label = float(-whole * row.rest), dot_of_label = float(-whole * row.own * (drift - label_drift));
  T *out = gradient + int64_t(r) * stride, *out_dot = gradient_dot + int64_t(r) * stride_dot;
  for (int c = int(threadIdx.x); c < cols; c += kThreads) {
    const float share = factor.times(expf(x[c] - all.top));  // the probability times the row's scale
    const float along = share * mean_dot.taken_from(x_dot[c]);
    out[c] = from_float<T>(c == own_column ? of_label : share);
    out_dot[c] = from_float<T>(c == own_column ? dot_of_label : along);
  }
}

/// The gradient on columns [first, first + cols) of the vocabulary at known lse; may be the logits. Grid: rows.
template <class T, int kThreads>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_panel_rows(Logits logits, const int32_t* label, int64_t first, const double* scale, const double* lse,
                             T* gradient, int64_t stride) {
  GRADFOLD_SHARED(float, row, 3);  // the factor in two parts, the label's gradient
  const int r = int(blockIdx.x);
  const float* x = logits.row();
  T* out = gradient + int64_t(r) * stride;
  const float top = float(lse[r]);
  const int64_t column = label[r] - first;
  if (threadIdx.x == 0) {
    // What float32 drops of the log-sum-exp goes into the factor.
    const Split factor(scale[r] * exp(double(top) - lse[r]));
    row[0] = factor.high;
    row[1] = factor.low;
    const bool inside = column >= 0 && column < logits.cols;
    row[2] = inside ? float(scale[r] * expm1(double(x[column]) - lse[r])) : 0.0f;
  }
  __syncthreads();
  const float high = row[0], low = row[1], of_label = row[2];
  for (int c = int(threadIdx.x); c < logits.cols; c += kThreads) {
    const float e = expf(x[c] - top);
    out[c] = from_float<T>(c == column ? of_label : fmaf(e, high, e * low));
  }
}

}  // namespace gradfold::cuda
