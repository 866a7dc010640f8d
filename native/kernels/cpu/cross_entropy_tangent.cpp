// The dual form of cross-entropy: the tangents of each row's loss and gradient beside them. The mean Σ_v p_v L̇_v is
// summed as its difference from the L̇ of the largest logit, so that it keeps its digits where one column has nearly all
// of the probability.
#include <omp.h>

#include "cpu_device.h"
#include "cross_entropy.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// The first column with this value, or 0.
int64_t column_of(const float* x, int64_t count, float value) {
  for (int64_t first = 0; first < count; first += kShortBlock) {
    const int64_t end = least(first + kShortBlock, count);
    int found = 0;
#pragma omp simd reduction(| : found)
    for (int64_t j = first; j < end; ++j) found |= x[j] == value;
    if (!found) continue;
    for (int64_t j = first; j < end; ++j)
      if (x[j] == value) return j;
  }
  return 0;
}

/// Σ exp(x − shift) and Σ exp(x − shift) (x_dot − pivot) over all columns but the label's.
struct DualSum {
  double value, tangent;
};

/// The exponentials are kept in e, which may be x, unless it is null.
DualSum dual_exp_sum(const float* x, const float* x_dot, int64_t count, int64_t label, float shift, float pivot,
                     float* e) {
  DualSum total{0, 0};
  for_runs_except(label, count, [&](int64_t first, int64_t length) {
    float passing[kShortBlock];
    float* kept = e ? e + first : passing;
    const float* along = x_dot + first;
    exp_of_run(x + first, length, shift, kept);
    total.value += sum_of_run(length, [=](int64_t j) { return kept[j]; });
    total.tangent += sum_of_run(length, [=](int64_t j) { return kept[j] * (along[j] - pivot); });
  });
  return total;
}

/// The sums of one row and of its tangent.
struct DualRowSums : RowSums {
  double pivot;     // L̇ of the largest logit
  double drift;     // Σ_v p_v L̇_v − pivot
  double loss_dot;  // Σ_v p_v L̇_v − L̇_label

  /// e: where the exponentials are kept, or null.
  DualRowSums(const float* x, const float* x_dot, int64_t count, int64_t label, float* e) : RowSums(x, count, label) {
    const float at_top = x_dot[column_of(x, count, shift)];
    const DualSum dual = dual_exp_sum(x, x_dot, count, label, shift, at_top, e);
    if (e) e[label] = float(own);
    rest = dual.value;
    pivot = at_top;
    const double label_drift = double(x_dot[label]) - pivot;
    drift = (dual.tangent + own * label_drift) / sum();
    loss_dot = drift - label_drift;
  }
};

/// out = factor e, out_dot = factor e ∘ (x_dot − mean_dot); out may be e and out_dot x_dot.
template <class T>
void write_dual_gradient(const float* e, const float* x_dot, int64_t count, Split factor, Split mean_dot, T* out,
                         T* out_dot) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) {
    const float probability = factor.times(e[j]);  // times the row's scale
    out_dot[j] = from_float<T>(probability * mean_dot.taken_from(x_dot[j]));
    out[j] = from_float<T>(probability);
  }
}

}  // namespace

void CpuDevice::cross_entropy_tangent(ConstMat logits, ConstMat logits_dot, const int32_t* label, const double* scale,
                                      double* loss, double* loss_dot, AnyMat gradient, AnyMat gradient_dot) {
  const int64_t vocabulary = logits.cols;
  if (!scale) {
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t r = 0; r < logits.rows; ++r) {
      const float* x_dot = logits_dot.data + r * logits_dot.stride;
      const DualRowSums sums(logits.data + r * logits.stride, x_dot, vocabulary, label[r], nullptr);
      loss[r] = sums.loss();
      loss_dot[r] = sums.loss_dot;
    }
    return;
  }
  const size_t bytes = exponentials_bytes(gradient.type, vocabulary);
  for (int thread = 0; thread < threads_; ++thread) scratch(thread, bytes);
  with_type(gradient.type, [&](auto number) {
    using T = decltype(number);
    const View<T> out = view_as<T>(gradient), out_dot = view_as<T>(gradient_dot);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t r = 0; r < logits.rows; ++r) {
      const float* x_dot = logits_dot.data + r * logits_dot.stride;
      float* e = exponentials(out.row(r), scratch(omp_get_thread_num(), 0));
      const DualRowSums sums(logits.data + r * logits.stride, x_dot, vocabulary, label[r], e);
      loss[r] = sums.loss();
      loss_dot[r] = sums.loss_dot;
      const double factor = scale[r] / sums.sum();
      write_dual_gradient(e, x_dot, vocabulary, Split(factor), Split(sums.pivot + sums.drift), out.row(r),
                          out_dot.row(r));
      out.at(r, label[r]) = from_float<T>(float(-factor * sums.rest));
      out_dot.at(r, label[r]) = from_float<T>(float(-factor * sums.own * sums.loss_dot));
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
