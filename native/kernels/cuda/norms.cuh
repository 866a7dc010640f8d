// What RMSNorm and LayerNorm share: a block takes a row, or a chunk of rows one after another, and sums along them.
#pragma once

#include "reduce.cuh"
#include "samples.cuh"

namespace gradfold::cuda {

constexpr int kNormThreads = 256;
/// Tokens of a chunk of the backward passes: as many as float32 sums of parameter gradients are trusted with.
constexpr int64_t kNormChunk = 16;

/// Calls body(c) for this thread's packs of W of the d numbers of a row; W divides d.
template <int W, class Body>
__device__ __forceinline__ void for_row(int64_t d, Body body) {
  for (int64_t c = int64_t(threadIdx.x) * W; c < d; c += int64_t(blockDim.x) * W) body(c);
}

/// Σ over the row of kCount sums that body(c, sums) adds to, on all threads. Number: float for sums of few terms a
/// thread, which then meet in float64; double where terms may cancel.
template <int W, class Number, int kCount, class Body>
__device__ __forceinline__ void row_sums(int64_t d, double (&totals)[kCount], Body body) {
  Number sums[kCount] = {};
  for_row<W>(d, [&](int64_t c) { body(c, sums); });
#pragma unroll
  for (int k = 0; k < kCount; ++k) totals[k] = double(sums[k]);
  block_sums(totals);
}

/// A block's sums over tokens in shared memory, a pack for each pack of for_row: every thread touches its own alone, so
/// that they need no barriers.
template <int W>
using TokenSums = SharedArray<Pack<float, W>>;

template <int W>
__device__ __forceinline__ void zero_sums(TokenSums<W> sums, int64_t d) {
  for_row<W>(d, [&](int64_t c) { sums[c / W] = Pack<float, W>{}; });
}

template <int W>
__device__ __forceinline__ void add_to_sums(TokenSums<W> sums, int64_t c, const float (&values)[W]) {
  Pack<float, W> pack = sums[c / W];
#pragma unroll
  for (int i = 0; i < W; ++i) pack.values[i] += values[i];
  sums[c / W] = pack;
}

template <int W>
__device__ __forceinline__ void put_sums(TokenSums<W> sums, int64_t d, float* out) {
  for_row<W>(d, [&](int64_t c) { *reinterpret_cast<Pack<float, W>*>(out + c) = sums[c / W]; });
}

}  // namespace gradfold::cuda
