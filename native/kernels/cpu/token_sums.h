// Sums of rows over the tokens of each sample, formed while the rows are at hand: every thread sweeps one contiguous
// range of tokens once, wherever the samples begin and end, so that one long sample is shared by all threads.
#pragma once

#include <omp.h>

#include "../kernels.h"
#include "integers.h"

namespace gradfold::GRADFOLD_ISA {

/// Tokens that are summed in float32 before float64 takes over.
constexpr int64_t kShortRun = 16;

/// Scratch that sum_over_tokens takes of each thread.
static inline size_t token_sums_bytes(int64_t width) { return size_t(width) * (2 * sizeof(double) + sizeof(float)); }

/// sum[j] = what row(t, run) adds to run[j], over the tokens [from, to)
template <class Row>
static inline void sweep_tokens(int64_t from, int64_t to, int64_t width, double* sum, float* run, Row row) {
  for (int64_t j = 0; j < width; ++j) sum[j] = 0.0;
  for (int64_t first = from; first < to; first += kShortRun) {
    for (int64_t j = 0; j < width; ++j) run[j] = 0.0f;
    const int64_t last = least(first + kShortRun, to);
    for (int64_t t = first; t < last; ++t) row(t, run);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) sum[j] += run[j];
  }
}

/// Calls row(t, run) once for each token t < begin[samples], run [width] being where the row adds its share, and then
/// store(i, sum) once for each sample, sum [width] over the tokens [begin[i], begin[i + 1]); begin[0] is 0. scratch: of
/// each thread, token_sums_bytes(width). The order of the sums depends on begin and the number of threads alone.
template <class Row, class Store>
static inline void sum_over_tokens(int threads, void* const* scratch, int64_t samples, const int32_t* begin,
                                   int64_t width, Row row, Store store) {
  const int64_t tokens = begin[samples];
#pragma omp parallel num_threads(threads)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    const auto first_of = [=](int64_t of) { return tokens * of / team; };
    const auto memory_of = [=](int64_t of) { return static_cast<double*>(scratch[of]); };
    const int64_t first = first_of(thread), last = first_of(thread + 1);
    // A sample that an earlier thread began is summed in `head`, one that begins here in `tail`.
    double *head = memory_of(thread), *tail = head + width;
    float* run = reinterpret_cast<float*>(tail + width);
#pragma omp for schedule(static) nowait
    for (int64_t i = 0; i < samples; ++i) {
      if (begin[i] < begin[i + 1]) continue;
      for (int64_t j = 0; j < width; ++j) tail[j] = 0.0;
      store(i, tail);
    }
    int64_t open = -1;  // the sample that a later thread has to end
    for (int64_t i = 0; i < samples; ++i) {
      const bool begins = begin[i] >= first, ends = begin[i + 1] <= last;
      const int64_t from = begins ? begin[i] : first, to = ends ? begin[i + 1] : last;
      if (from >= to) continue;
      sweep_tokens(from, to, width, begins ? tail : head, run, row);
      if (begins && ends) store(i, tail);
      if (begins && !ends) open = i;
    }
#pragma omp barrier
    if (open >= 0) {
      for (int64_t other = thread + 1; other < team && first_of(other) < begin[open + 1]; ++other) {
        if (first_of(other) == first_of(other + 1)) continue;
        const double* part = memory_of(other);
        for (int64_t j = 0; j < width; ++j) tail[j] += part[j];
      }
      store(open, tail);
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
