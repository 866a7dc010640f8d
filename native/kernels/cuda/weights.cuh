// Sums and greatest values over rows, over all of them or group by group, for weights that are normalised within
// groups. What is summed, and what is done to each row with its group's value, are operations of a row and that value.
//
// Groups are runs of equal ids in rows sorted by id. A thread takes a stretch of kStretch sorted rows; its share of one
// group is a piece: stretch k and group g have piece k + g, a number of their own, since the next piece is of the next
// stretch or of a later group or both. A warp then joins a group's pieces. No sum depends on what ran first.
#pragma once

#include <math.h>

#include "../../weight/sum.h"
#include "order_rows.cuh"

namespace gradfold::cuda {

constexpr int64_t kStretch = 32;

/// A sum compensated for rounding, of a thread; those of threads meet in plain float64.
struct Total {
  weight::Sum sum;

  __device__ __forceinline__ void add(double value) { sum.add(value); }
  __device__ __forceinline__ double value() const { return sum.value(); }
  static __device__ __forceinline__ double of_warp(double value) { return warp_sum(value); }
  static __device__ __forceinline__ double of_block(double value) { return block_sum(value); }
};

struct Greatest {
  double most = -INFINITY;

  __device__ __forceinline__ void add(double value) { most = value > most ? value : most; }
  __device__ __forceinline__ double value() const { return most; }
  static __device__ __forceinline__ double of_warp(double value) { return warp_max(value); }
  static __device__ __forceinline__ double of_block(double value) { return block_max(value); }
};

// ---- operations -----------------------------------------------------------------------------------------------------

/// s
template <class Score>
struct ScoreOp {
  const Score* scores;

  __device__ __forceinline__ double operator()(int64_t row, double) const { return double(scores[row]); }
};

/// out = exp((s − greatest) / τ)
template <class Score>
struct ExponentialOp {
  const Score* scores;
  double temperature;
  double* out;

  __device__ __forceinline__ double operator()(int64_t row, double greatest) const {
    return out[row] = exp((double(scores[row]) - greatest) / temperature);
  }
};

/// out /= total
struct DivideOp {
  double* out;

  __device__ __forceinline__ void operator()(int64_t row, double total) const { out[row] /= total; }
};

/// w dw
struct ProductOp {
  const double *weights, *gradients;

  __device__ __forceinline__ double operator()(int64_t row, double) const { return weights[row] * gradients[row]; }
};

/// out = (w / τ) (dw − mean)
struct ScoreGradientOp {
  const double *weights, *gradients;
  double temperature;
  double* out;

  __device__ __forceinline__ void operator()(int64_t row, double mean) const {
    out[row] = weights[row] / temperature * (gradients[row] - mean);
  }
};

/// odd[block] receives n − i of the block's first number that is not finite, or 0.
template <class Number>
__global__ void __launch_bounds__(kRowThreads) not_finite_kernel(const Number* numbers, int64_t n, int64_t* odd) {
  int64_t first = 0;
  for_rows(n, [&](int64_t i) {
    const Number number = numbers[i];
    if (number - number != Number(0) && first == 0) first = n - i;
  });
  first = block_max(first);
  if (threadIdx.x == 0) odd[blockIdx.x] = first;
}

// ---- over all rows --------------------------------------------------------------------------------------------------

/// parts[block] = the join of op(row, *given) over the block's rows; given null: 0.
template <class Join, class Op>
__global__ void __launch_bounds__(kRowThreads) rows_kernel(Op op, int64_t n, const double* given, double* parts) {
  const double value = given != nullptr ? *given : 0.0;
  Join join;
  for_rows(n, [&](int64_t row) { join.add(op(row, value)); });
  const double of_block = Join::of_block(join.value());
  if (threadIdx.x == 0) parts[blockIdx.x] = of_block;
}

/// *value = the join of the parts; one block.
template <class Join>
__global__ void __launch_bounds__(kRowThreads) join_parts_kernel(const double* parts, int64_t count, double* value) {
  Join join;
  for (int64_t i = threadIdx.x; i < count; i += kRowThreads) join.add(parts[i]);
  const double of_block = Join::of_block(join.value());
  if (threadIdx.x == 0) *value = of_block;
}

/// op(row, *given) for every row.
template <class Op>
__global__ void __launch_bounds__(kRowThreads) for_rows_kernel(Op op, int64_t n, const double* given) {
  const double value = *given;
  for_rows(n, [&](int64_t row) { op(row, value); });
}

// ---- group by group -------------------------------------------------------------------------------------------------

/// Rows sorted by the id of their group.
struct SortedGroups {
  const uint32_t *ids, *rows;  // [n]
  int64_t n;
  const uint32_t* before;  // [stretches] groups that begin before the stretch
  const uint32_t* first;   // [groups] where each begins
  int64_t groups;

  __device__ __forceinline__ bool begins(int64_t i) const { return i == 0 || ids[i] != ids[i - 1]; }
  __device__ __forceinline__ int64_t begin(int64_t group) const { return int64_t(first[group]); }
  __device__ __forceinline__ int64_t end(int64_t group) const { return group + 1 < groups ? first[group + 1] : n; }

  /// Calls row(i, group) for the sorted rows of this thread's stretch, and close(stretch, group) after those of each
  /// group.
  template <class Row, class Close>
  __device__ __forceinline__ void walk(Row row, Close close) const {
    const int64_t stretch = int64_t(blockIdx.x) * kRowThreads + threadIdx.x;
    const int64_t begin = stretch * kStretch, end = least(begin + kStretch, n);
    if (begin >= end) return;
    int64_t group = int64_t(before[stretch]) - 1;
    for (int64_t i = begin; i < end; ++i) {
      if (begins(i)) {
        if (i > begin) close(stretch, group);
        ++group;
      }
      row(i, group);
    }
    close(stretch, group);
  }
};

/// ids[i] = the id of row i as an unsigned number, rows[i] = i.
static __global__ void __launch_bounds__(kRowThreads)
    ids_kernel(const int32_t* groups, int64_t n, uint32_t* ids, uint32_t* rows) {
  for_rows(n, [&](int64_t i) {
    ids[i] = uint32_t(groups[i]);
    rows[i] = uint32_t(i);
  });
}

/// counts[stretch] = groups that begin in it; one more stretch, of none, makes the last running sum that of all.
static __global__ void __launch_bounds__(kRowThreads)
    count_groups_kernel(SortedGroups sorted, int64_t stretches, uint32_t* counts) {
  const int64_t stretch = int64_t(blockIdx.x) * kRowThreads + threadIdx.x;
  if (stretch > stretches) return;
  uint32_t count = 0;
  for (int64_t i = stretch * kStretch; i < least((stretch + 1) * kStretch, sorted.n); ++i)
    count += sorted.begins(i) ? 1u : 0u;
  counts[stretch] = count;
}

/// first[group] = where it begins.
static __global__ void __launch_bounds__(kRowThreads) begin_groups_kernel(SortedGroups sorted, uint32_t* first) {
  sorted.walk(
      [&](int64_t i, int64_t group) {
        if (sorted.begins(i)) first[group] = uint32_t(i);
      },
      [](int64_t, int64_t) {});
}

/// pieces[stretch + group] = the join of op(row, given[group]) over the rows of a group in a stretch; given null: 0.
template <class Join, class Op>
__global__ void __launch_bounds__(kRowThreads)
    pieces_kernel(Op op, SortedGroups sorted, const double* given, double* pieces) {
  Join join;
  sorted.walk(
      [&](int64_t i, int64_t group) { join.add(op(int64_t(sorted.rows[i]), given != nullptr ? given[group] : 0.0)); },
      [&](int64_t stretch, int64_t group) {
        pieces[stretch + group] = join.value();
        join = Join();
      });
}

/// values[group] = the join of its pieces; a warp each.
template <class Join>
__global__ void __launch_bounds__(kRowThreads)
    join_pieces_kernel(SortedGroups sorted, const double* pieces, double* values) {
  const int64_t group = int64_t(blockIdx.x) * (kRowThreads / kWarp) + threadIdx.x / kWarp;
  if (group >= sorted.groups) return;
  const int lane = int(threadIdx.x) % kWarp;
  const int64_t begin = sorted.begin(group) / kStretch, last = (sorted.end(group) - 1) / kStretch;
  Join join;
  for (int64_t stretch = begin + lane; stretch <= last; stretch += kWarp) join.add(pieces[stretch + group]);
  const double of_warp = Join::of_warp(join.value());
  if (lane == 0) values[group] = of_warp;
}

/// op(row, given[group]) for every row.
template <class Op>
__global__ void __launch_bounds__(kRowThreads) for_groups_kernel(Op op, SortedGroups sorted, const double* given) {
  sorted.walk([&](int64_t i, int64_t group) { op(int64_t(sorted.rows[i]), given[group]); }, [](int64_t, int64_t) {});
}

}  // namespace gradfold::cuda
