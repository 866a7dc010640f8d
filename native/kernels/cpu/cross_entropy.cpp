// Cross-entropy of each row of logits, its gradient in place, and the tangents of both. A row is swept two or three
// times while it stays in cache; exponentials are taken once, sums are kept in float64. So is the scale: its rounding
// would be one common error of a whole row, which sums over samples that nearly cancel would bring to light.
#include <math.h>

#include "cpu_device.h"
#include "typed.h"
#include "vector_math.h"

namespace gradfold::GRADFOLD_ISA {

static float row_max(const float* x, int64_t count) {
  float largest = x[0];
#pragma omp simd reduction(max : largest)
  for (int64_t j = 0; j < count; ++j) largest = x[j] > largest ? x[j] : largest;
  return largest;
}

/// Σ exp(x − shift)
static double exp_sum(const float* x, int64_t count, float shift) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < count; ++j) sum += exp_float(x[j] - shift);
  return sum;
}

/// The same, leaving the exponentials in x.
static double exp_sum_in_place(float* x, int64_t count, float shift) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < count; ++j) {
    const float e = exp_float(x[j] - shift);
    x[j] = e;
    sum += e;
  }
  return sum;
}

void CpuDevice::cross_entropy(ConstMat logits, const int32_t* label, const double* scale, double* loss, double* lse,
                              AnyMat gradient_) {
  (void)gradient_;
  const int64_t vocabulary = logits.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t r = 0; r < logits.rows; ++r) {
    float* x = const_cast<float*>(logits.data) + r * logits.stride;
    const float shift = row_max(x, vocabulary);
    const double offset = double(shift) - double(x[label[r]]);
    const double sum = scale ? exp_sum_in_place(x, vocabulary, shift) : exp_sum(x, vocabulary, shift);
    const double log_sum = log(sum);
    loss[r] = log_sum + offset;
    if (lse) lse[r] = log_sum + double(shift);
    if (!scale) continue;
    const double factor = scale[r] / sum;
    const double at_label = (double(x[label[r]]) / sum - 1.0) * scale[r];
#pragma omp simd
    for (int64_t j = 0; j < vocabulary; ++j) x[j] = float(double(x[j]) * factor);
    x[label[r]] = float(at_label);
  }
}

void CpuDevice::cross_entropy_panel(ConstMat logits, const int32_t* label, int64_t first, const double* scale,
                                    const double* lse, AnyMat gradient_) {
  (void)gradient_;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t r = 0; r < logits.rows; ++r) {
    float* x = const_cast<float*>(logits.data) + r * logits.stride;
    // What float32 drops of the log-sum-exp goes into the factor.
    const float shift = float(lse[r]);
    const double factor = scale[r] * exp(double(shift) - lse[r]);
    const int64_t column = label[r] - first;
    const bool inside = column >= 0 && column < logits.cols;
    const double at_label = inside ? factor * double(exp_float(x[column] - shift)) - scale[r] : 0;
#pragma omp simd
    for (int64_t j = 0; j < logits.cols; ++j) x[j] = float(factor * double(exp_float(x[j] - shift)));
    if (inside) x[column] = float(at_label);
  }
}

void CpuDevice::one_hot(const int32_t* index, int64_t first, AnyMat out_) {
  const Mat out = f32(out_);
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t r = 0; r < out.rows; ++r) {
    float* row = out.data + r * out.stride;
#pragma omp simd
    for (int64_t j = 0; j < out.cols; ++j) row[j] = 0.0f;
    const int64_t column = index[r] - first;
    if (column >= 0 && column < out.cols) row[column] = 1.0f;
  }
}

void CpuDevice::cross_entropy_tangent(ConstMat logits, ConstMat logits_dot, const int32_t* label, const double* scale,
                                      double* loss, double* loss_dot, AnyMat gradient_, AnyMat gradient_dot_) {
  (void)gradient_;
  (void)gradient_dot_;
  const int64_t vocabulary = logits.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t r = 0; r < logits.rows; ++r) {
    float* x = const_cast<float*>(logits.data) + r * logits.stride;
    float* x_dot = const_cast<float*>(logits_dot.data) + r * logits_dot.stride;
    const float shift = row_max(x, vocabulary);
    const double offset = double(shift) - double(x[label[r]]);
    double sum = 0, sum_dot = 0;
    if (scale) {
#pragma omp simd reduction(+ : sum, sum_dot)
      for (int64_t j = 0; j < vocabulary; ++j) {
        const float e = exp_float(x[j] - shift);
        x[j] = e;
        sum += e;
        sum_dot += double(e) * double(x_dot[j]);
      }
    } else {
#pragma omp simd reduction(+ : sum, sum_dot)
      for (int64_t j = 0; j < vocabulary; ++j) {
        const float e = exp_float(x[j] - shift);
        sum += e;
        sum_dot += double(e) * double(x_dot[j]);
      }
    }
    const double mean_dot = sum_dot / sum;
    loss[r] = log(sum) + offset;
    loss_dot[r] = mean_dot - double(x_dot[label[r]]);
    if (!scale) continue;
    const double factor = scale[r] / sum;
    const double at_label = (double(x[label[r]]) / sum - 1.0) * scale[r];
#pragma omp simd
    for (int64_t j = 0; j < vocabulary; ++j) {
      const double scaled = double(x[j]) * factor;
      x[j] = float(scaled);
      x_dot[j] = float(scaled * (double(x_dot[j]) - mean_dot));
    }
    x[label[r]] = float(at_label);
  }
}

}  // namespace gradfold::GRADFOLD_ISA
