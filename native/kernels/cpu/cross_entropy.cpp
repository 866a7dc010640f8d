// Cross-entropy of each row of logits and its gradient.
#include "cross_entropy.h"

#include <omp.h>
#include <string.h>

#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Σ exp(x − shift) over all columns but the label's; the exponentials are kept in e, which may be x, unless it is
/// null.
double exp_sum(const float* x, int64_t count, int64_t label, float shift, float* e) {
  double total = 0;
  for_runs_except(label, count, [&](int64_t first, int64_t length) {
    float passing[kShortBlock];
    float* kept = e ? e + first : passing;
    exp_of_run(x + first, length, shift, kept);
    total += sum_of_run(length, [=](int64_t j) { return kept[j]; });
  });
  return total;
}

/// out = factor e
template <class T>
void write_gradient(const float* e, int64_t count, Split factor, T* out) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) out[j] = from_float<T>(factor.times(e[j]));
}

/// out = factor exp(x − shift)
template <class T>
void write_gradient_at(const float* x, int64_t count, float shift, Split factor, T* out) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) out[j] = from_float<T>(factor.times(exp_float(x[j] - shift)));
}

}  // namespace

void CpuDevice::cross_entropy(ConstMat logits, const int32_t* label, const double* scale, double* loss, double* lse,
                              AnyMat gradient) {
  const int64_t vocabulary = logits.cols;
  const auto finish = [=](int64_t r, const RowSums& sums) {
    loss[r] = sums.loss();
    if (lse) lse[r] = sums.lse();
  };
  if (!scale) {
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t r = 0; r < logits.rows; ++r) {
      const float* x = logits.data + r * logits.stride;
      RowSums sums(x, vocabulary, label[r]);
      sums.rest = exp_sum(x, vocabulary, label[r], sums.shift, nullptr);
      finish(r, sums);
    }
    return;
  }
  const size_t bytes = exponentials_bytes(gradient.type, vocabulary);
  for (int thread = 0; thread < threads_; ++thread) scratch(thread, bytes);
  with_type(gradient.type, [&](auto number) {
    using T = decltype(number);
    const View<T> out = view_as<T>(gradient);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t r = 0; r < logits.rows; ++r) {
      const float* x = logits.data + r * logits.stride;
      float* e = exponentials(out.row(r), scratch(omp_get_thread_num(), 0));
      RowSums sums(x, vocabulary, label[r]);
      sums.rest = exp_sum(x, vocabulary, label[r], sums.shift, e);
      e[label[r]] = float(sums.own);
      finish(r, sums);
      write_gradient(e, vocabulary, Split(scale[r] / sums.sum()), out.row(r));
      out.at(r, label[r]) = from_float<T>(float(-scale[r] * sums.rest / sums.sum()));
    }
  });
}

void CpuDevice::cross_entropy_panel(ConstMat logits, const int32_t* label, int64_t first, const double* scale,
                                    const double* lse, AnyMat gradient) {
  with_type(gradient.type, [&](auto number) {
    using T = decltype(number);
    const View<T> out = view_as<T>(gradient);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t r = 0; r < logits.rows; ++r) {
      const float* x = logits.data + r * logits.stride;
      // What float32 drops of the log-sum-exp goes into the factor.
      const float shift = float(lse[r]);
      const double factor = scale[r] * exp(double(shift) - lse[r]);
      const int64_t column = label[r] - first;
      const bool inside = column >= 0 && column < logits.cols;
      const double at_label = inside ? scale[r] * expm1(double(x[column]) - lse[r]) : 0;
      write_gradient_at(x, logits.cols, shift, Split(factor), out.row(r));
      if (inside) out.at(r, column) = from_float<T>(float(at_label));
    }
  });
}

void CpuDevice::one_hot(const int32_t* index, int64_t first, AnyMat out) {
  with_type(out.type, [&](auto number) {
    using T = decltype(number);
    const View<T> to = view_as<T>(out);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t r = 0; r < to.rows; ++r) {
      memset(to.row(r), 0, static_cast<size_t>(to.cols) * sizeof(T));
      const int64_t column = index[r] - first;
      if (column >= 0 && column < to.cols) to.at(r, column) = from_float<T>(1.0f);
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
