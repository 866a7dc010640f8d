// Per-sample statistics of a small weight whose per-sample gradients are given, one a row.
#include <omp.h>

#include "cpu_device.h"
#include "statistics.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::sample_rows(ConstMat rows, const SampleStatistics& s, const WeightTarget& t) {
  // Columns are divided among threads, so that each owns its part of the weight.
  constexpr int64_t kColumns = 256;
  for (int thread = 0; thread < threads_; ++thread) zero_partial(scratch(thread, sums_and_ids(s)), s);
}

}  // namespace gradfold::GRADFOLD_ISA
