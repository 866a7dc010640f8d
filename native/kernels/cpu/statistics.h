// Per-sample statistics summed piece by piece. A piece is a run of consecutive numbers of one sample's gradient of one
// weight, formed in scratch and reduced while it is hot.
#pragma once

#include "../kernels.h"

namespace gradfold::GRADFOLD_ISA {

/// What one thread has summed so far, in the layout of SampleStatistics; null where not wanted. Of gram only the
/// entries (i, j) with i ≤ j are used.
struct PartialSums {
  double* norms2;
  double* dots;
  double* gram;
};

/// Whether anything besides the weighted gradient is asked for.
bool wants_samples(const SampleStatistics& s, const WeightTarget& t);

/// Bytes that the partial sums of one thread take, a positive multiple of 64.
size_t partial_bytes(const SampleStatistics& s);

/// The partial sums laid out in `memory`, as they are.
PartialSums partial_at(void* memory, const SampleStatistics& s);

/// The same set to zero.
PartialSums zero_partial(void* memory, const SampleStatistics& s);

/// Adds one thread's sums to the statistics. Called in the order of threads.
void add_partial(const SampleStatistics& s, const PartialSums& partial);

/// Reduces `length` numbers of g_sample that stand at `offset` of the weight: norm and dots into sums, the weighted and
/// the plain number into the target.
void add_piece(const SampleStatistics& s, const WeightTarget& t, int64_t sample, const float* piece, int64_t offset,
               int64_t length, const PartialSums& sums);

/// The same place of the weight seen for `count` samples at once: gram(ids[a], ids[b]) += the dot product of pieces a
/// and b, each `length` numbers, `stride` apart. ids ascend; null: 0, 1, 2, …
void add_gram(const float* pieces, int64_t stride, const int32_t* ids, int64_t count, int64_t length, int64_t samples,
              double* gram);

}  // namespace gradfold::GRADFOLD_ISA
