// Per-sample statistics of a small weight whose per-sample gradients are given, one a row.
#include <omp.h>

#include "cpu_device.h"
#include "integers.h"
#include "statistics.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::sample_rows(ConstMat rows, const SampleStatistics& s, const WeightTarget& t) {
  // Columns are divided among threads, so that each owns its part of the weight.
  constexpr int64_t kColumns = 256;
  for (int thread = 0; thread < threads_; ++thread) zero_partial(scratch(thread, partial_bytes(s)), s);

#pragma omp parallel for schedule(static) num_threads(threads_) if (rows.cols > kColumns)
  for (int64_t col = 0; col < rows.cols; col += kColumns) {
    const PartialSums sums = partial_at(scratch(omp_get_thread_num(), 0), s);
    const int64_t cols = least(kColumns, rows.cols - col);
    for (int64_t i = 0; i < s.samples; ++i) add_piece(s, t, i, rows.data + i * rows.stride + col, col, cols, sums);
    if (sums.gram != nullptr) add_gram(rows.data + col, rows.stride, nullptr, s.samples, cols, s.samples, sums.gram);
  }
  for (int thread = 0; thread < threads_; ++thread) add_partial(s, partial_at(scratch(thread, 0), s));
}

}  // namespace gradfold::GRADFOLD_ISA
