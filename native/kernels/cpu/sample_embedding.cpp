// Per-sample statistics of an embedding table, whose gradient is Σ dx_t in the row of each token. Equal tokens of a
// sample add up first; all groups of one token belong to one thread, so that no row of the table has two writers.
#include <omp.h>
#include <string.h>

#include "cpu_device.h"
#include "integers.h"
#include "statistics.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// The first group of a token that starts at or after this share of all positions.
int64_t first_group(const EmbeddingGroups& e, int64_t part, int64_t parts) {
  const int64_t wanted = e.begin[e.groups] * part / parts;
  int64_t low = 0, high = e.groups;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (e.begin[middle] < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  while (low > 0 && low < e.groups && e.token[low] == e.token[low - 1]) ++low;
  return low;
}

/// row = Σ of dx over the positions of a group, in float64; `wide` is scratch of as many numbers.
void add_positions(const EmbeddingGroups& e, int64_t group, const ConstMat& dx, double* wide, float* row) {
  const int64_t begin = e.begin[group], end = e.begin[group + 1];
  const float* first = dx.data + e.positions[begin] * dx.stride;
  if (end - begin == 1) {
    memcpy(row, first, static_cast<size_t>(dx.cols) * sizeof(float));
    return;
  }
  for (int64_t c = 0; c < dx.cols; ++c) wide[c] = first[c];
  for (int64_t p = begin + 1; p < end; ++p) {
    const float* from = dx.data + e.positions[p] * dx.stride;
    for (int64_t c = 0; c < dx.cols; ++c) wide[c] += from[c];
  }
  for (int64_t c = 0; c < dx.cols; ++c) row[c] = static_cast<float>(wide[c]);
}

}  // namespace

void CpuDevice::sample_embedding(const EmbeddingGroups& e, ConstMat dx, const SampleStatistics& s,
                                 const WeightTarget& t) {
  if (e.groups == 0) return;
  const int64_t d = dx.cols;
  const bool gram = s.gram != nullptr;
  const size_t sums_bytes = partial_bytes(s);
  const size_t wide_bytes = static_cast<size_t>(ceil_div(d, 8) * 8) * sizeof(double);
  // The Gram matrix needs the rows of all samples that have the token side by side.
  const size_t rows_bytes = static_cast<size_t>(d * (gram ? s.samples : 1)) * sizeof(float);
  for (int thread = 0; thread < threads_; ++thread)
    zero_partial(scratch(thread, sums_bytes + wide_bytes + rows_bytes), s);

#pragma omp parallel num_threads(threads_)
  {
    const int thread = omp_get_thread_num(), team = omp_get_num_threads();
    char* memory = static_cast<char*>(scratch(thread, 0));
    const PartialSums sums = partial_at(memory, s);
    double* wide = reinterpret_cast<double*>(memory + sums_bytes);
    float* rows = reinterpret_cast<float*>(memory + sums_bytes + wide_bytes);

    const int64_t end = first_group(e, thread + 1, team);
    for (int64_t group = first_group(e, thread, team); group < end;) {
      const int64_t token = e.token[group];
      int64_t next = group;
      for (; next < end && e.token[next] == token; ++next) {
        float* row = rows + (gram ? (next - group) * d : 0);
        add_positions(e, next, dx, wide, row);
        add_piece(s, t, e.sample[next], row, token * d, d, sums);
      }
      if (gram) add_gram(rows, d, e.sample + group, next - group, d, s.samples, sums.gram);
      group = next;
    }
  }
  for (int thread = 0; thread < threads_; ++thread) add_partial(s, partial_at(scratch(thread, 0), s));
}

}  // namespace gradfold::GRADFOLD_ISA
