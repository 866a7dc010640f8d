// Per-sample statistics of weights whose per-sample gradients are at hand: rows [samples × d], and embedding tables,
// whose gradients are sums of output gradients in the rows of tokens. Every number of the statistics and of the
// gradients has one block that adds to it, in an order of its own.
#pragma once

#include "reduce.cuh"
#include "samples.cuh"

namespace gradfold::cuda {

constexpr int kStatisticThreads = 256;

// ---- rows -----------------------------------------------------------------------------------------------------------

/// out[k · samples + i] += ⟨row i, vectors[k]⟩; vectors null: += ‖row i‖². blockIdx: (i, k).
static __global__ void __launch_bounds__(kStatisticThreads)
    row_dots_kernel(View<const float> rows, const float* const* vectors, double* out) {
  const int64_t i = blockIdx.x, k = blockIdx.y;
  const float *row = rows.row(i), *other = vectors != nullptr ? vectors[k] : row;
  double sum = 0.0;
  for (int64_t c = threadIdx.x; c < rows.cols; c += kStatisticThreads) sum += double(row[c]) * double(other[c]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[k * rows.rows + i] += sum;
}

/// Both halves of gram [samples × samples] += ⟨row i, row j⟩; blockIdx: (j, i − first), of which i ≤ j work.
static __global__ void __launch_bounds__(kStatisticThreads)
    row_gram_kernel(View<const float> rows, int64_t first, double* gram) {
  const int64_t samples = rows.rows, i = first + blockIdx.y, j = blockIdx.x;
  if (i > j) return;
  const float *left = rows.row(i), *right = rows.row(j);
  double sum = 0.0;
  for (int64_t c = threadIdx.x; c < rows.cols; c += kStatisticThreads) sum += double(left[c]) * double(right[c]);
  sum = block_sum(sum);
  if (threadIdx.x != 0) return;
  gram[i * samples + j] += sum;
  if (i != j) gram[j * samples + i] += sum;
}

/// gradient += Σ_i w_i row i
struct AddWeightedRowsOp {
  View<const float> rows;
  const float* weights;
  float* gradient;

  template <int W>
  __device__ void apply(int64_t, int64_t c) const {
    static_assert(W == 1);
    float sum = gradient[c];
    for (int64_t i = 0; i < rows.rows; ++i) sum += weights[i] * rows.row(i)[c];
    gradient[c] = sum;
  }
};

/// gradients[i] += row i
struct AddRowsOp {
  View<const float> rows;
  float* const* gradients;

  template <int W>
  __device__ void apply(int64_t i, int64_t c) const {
    static_assert(W == 1);
    gradients[i][c] += rows.row(i)[c];
  }
};

// ---- embedding tables -----------------------------------------------------------------------------------------------
// A slab: columns [first, first + cols) of the table, for which the groups' sums stand in memory.

struct EmbeddingSlab {
  EmbeddingGroups e;
  int64_t first, cols, width;  // width: of the whole table
  float* sums;                 // [groups × cols]

  __device__ float* row(int64_t group) const { return sums + group * cols; }
  /// Where a token's row of a vector laid out as the table begins, in this slab.
  __device__ int64_t place(int64_t group) const { return int64_t(e.token[group]) * width + first; }
};

constexpr int kGroupThreads = 128;

/// sums = Σ of dx over each group's positions, in float64. blockIdx: (group, columns).
static __global__ void __launch_bounds__(kGroupThreads) group_sums_kernel(EmbeddingSlab slab, View<const float> dx) {
  const int64_t group = blockIdx.x, c = int64_t(blockIdx.y) * kGroupThreads + threadIdx.x;
  if (c >= slab.cols) return;
  const int32_t begin = slab.e.begin[group], end = slab.e.begin[group + 1];
  double sum = 0.0;
  for (int32_t p = begin; p < end; ++p) sum += double(dx.row(slab.e.positions[p])[slab.first + c]);
  slab.row(group)[c] = float(sum);
}

/// Σ_c a[c] b[c] over a slab, a warp together, on all of its lanes.
__device__ __forceinline__ double warp_dot(const float* a, const float* b, int64_t cols) {
  double sum = 0.0;
  for (int64_t c = int(threadIdx.x) % kWarp; c < cols; c += kWarp) sum += double(a[c]) * double(b[c]);
  return warp_sum(sum);
}

/// Calls body(group) for the groups of one sample; each warp of the block takes its part of all groups, whole warps
/// call.
template <class Body>
__device__ __forceinline__ void for_groups_of(const EmbeddingGroups& e, int64_t sample, Body body) {
  const int warp = int(threadIdx.x) / kWarp, lane = int(threadIdx.x) % kWarp, warps = int(blockDim.x) / kWarp;
  for (int64_t start = int64_t(warp) * kWarp; start < e.groups; start += int64_t(warps) * kWarp) {
    const int64_t group = start + lane;
    uint32_t matches = __ballot_sync(kWholeWarp, group < e.groups && e.sample[group] == sample);
    for (int64_t next = start; matches != 0; ++next, matches >>= 1)
      if ((matches & 1u) != 0) body(next);
  }
}

/// out[k · samples + i] += Σ over the groups of sample i of ⟨sum, the token's row of vectors[k]⟩; vectors null: of
/// ‖sum‖². blockIdx: (i, k).
static __global__ void __launch_bounds__(kStatisticThreads)
    embedding_dots_kernel(EmbeddingSlab slab, int64_t samples, const float* const* vectors, double* out) {
  const int64_t i = blockIdx.x, k = blockIdx.y;
  double sum = 0.0;
  for_groups_of(slab.e, i, [&](int64_t group) {
    const float* row = slab.row(group);
    const double dot = warp_dot(row, vectors != nullptr ? vectors[k] + slab.place(group) : row, slab.cols);
    if (threadIdx.x % kWarp == 0) sum += dot;
  });
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[k * samples + i] += sum;
}

/// The group of a token and a sample; −1 where there is none. Groups are sorted by token, then by sample.
__device__ inline int64_t group_of(const EmbeddingGroups& e, int32_t token, int64_t sample) {
  int64_t low = 0, high = e.groups;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (e.token[middle] < token || (e.token[middle] == token && e.sample[middle] < sample))
      low = middle + 1;
    else
      high = middle;
  }
  return low < e.groups && e.token[low] == token && e.sample[low] == sample ? low : -1;
}

/// Both halves of gram += Σ over tokens that samples i and j have in common of ⟨sum of i, sum of j⟩; blockIdx:
/// (j, i − first), of which i ≤ j work.
static __global__ void __launch_bounds__(kStatisticThreads)
    embedding_gram_kernel(EmbeddingSlab slab, int64_t samples, int64_t first, double* gram) {
  const int64_t i = first + blockIdx.y, j = blockIdx.x;
  if (i > j) return;
  double sum = 0.0;
  for_groups_of(slab.e, i, [&](int64_t group) {
    const int64_t other = i == j ? group : group_of(slab.e, slab.e.token[group], j);
    if (other < 0) return;
    const double dot = warp_dot(slab.row(group), slab.row(other), slab.cols);
    if (threadIdx.x % kWarp == 0) sum += dot;
  });
  sum = block_sum(sum);
  if (threadIdx.x != 0) return;
  gram[i * samples + j] += sum;
  if (i != j) gram[j * samples + i] += sum;
}

/// gradient += Σ w_i sum in the rows of tokens; the block of a token's first group adds for all of them. blockIdx:
/// (group, columns).
static __global__ void __launch_bounds__(kGroupThreads)
    embedding_gradient_kernel(EmbeddingSlab slab, const float* weights, float* gradient) {
  const int64_t leader = blockIdx.x, c = int64_t(blockIdx.y) * kGroupThreads + threadIdx.x;
  const EmbeddingGroups& e = slab.e;
  if (c >= slab.cols || (leader > 0 && e.token[leader - 1] == e.token[leader])) return;
  float* out = gradient + slab.place(leader) + c;
  float sum = *out;
  for (int64_t group = leader; group < e.groups && e.token[group] == e.token[leader]; ++group)
    sum += weights[e.sample[group]] * slab.row(group)[c];
  *out = sum;
}

/// gradients[i] += sum in the rows of tokens. blockIdx: (group, columns).
static __global__ void __launch_bounds__(kGroupThreads)
    embedding_gradients_kernel(EmbeddingSlab slab, float* const* gradients) {
  const int64_t group = blockIdx.x, c = int64_t(blockIdx.y) * kGroupThreads + threadIdx.x;
  if (c >= slab.cols) return;
  gradients[slab.e.sample[group]][slab.place(group) + c] += slab.row(group)[c];
}

}  // namespace gradfold::cuda
