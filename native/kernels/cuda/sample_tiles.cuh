// Per-sample gradients of a weight, g_i = G_iᵀ X_i, formed a tile at a time in registers and reduced before they leave
// them: weight tile outer, sample inner. A block holds one tile of the weight and goes through the samples of its part
// of the batch; panels of the next sample are copied while one sample's tile is still being reduced.
//
// Norms and dots are summed in float64 over a block in a fixed order, written once for every (sample, tile) and summed
// over tiles by a second kernel. The weighted gradient stays in registers until the last sample. Where it alone is
// wanted, neighbouring samples of equal weight are one run of tokens, so that equal weights cost a plain product.
#pragma once

#include "sample_reduce.cuh"

namespace gradfold::cuda {

/// Shared memory of a block.
template <class T, int kTile>
inline size_t sample_tiles_shared(int values) {
  return size_t(Stages<T, false, false, kTile>::kBytes) + size_t(values) * (kTileThreads<kTile> / 32) * sizeof(double);
}

/// g: outputs are outer, tokens inner; x: inputs are outer. Grid: tiles × parts.
template <class T, int kTile>
__global__ void __launch_bounds__(kTileThreads<kTile>) sample_tiles(Operand<T> g, Operand<T> x, SampleTiles job) {
  using S = Stages<T, false, false, kTile>;
  using At = Place<T, kTile>;
  GRADFOLD_DYNAMIC_SHARED(shared);
  const S stages{shared};
  const SharedArray<double> room =
      shared_part<double>(shared, S::kBytes, int64_t(job.values) * (kTileThreads<kTile> / kWarp));
  const int tile = int(blockIdx.x), row = tile / job.across * kTile, col = tile % job.across * kTile;
  const int part = int(blockIdx.y);
  Held held, total;
  clear(held);
  clear(total);

  TokenWalk coming(job, part), walk = coming;
  for (int stage = 0; stage < S::kStages - 1; ++stage) {
    if (coming.more()) {
      stages.load(stage, g, x, row, col, coming.token, coming.end);
      coming.advance(job, S::kDepth);
    }
    cp_async_commit();
  }
  for (int step = 0; walk.more(); ++step) {
    cp_async_wait<S::kStages - 2>();
    __syncthreads();  // the panels of this step have come; those of the step before have been read
    if (coming.more()) {
      stages.load((step + S::kStages - 1) % S::kStages, g, x, row, col, coming.token, coming.end);
      coming.advance(job, S::kDepth);
    }
    cp_async_commit();
    stages.multiply(step % S::kStages, held);

    const int sample = walk.sample;
    if (!walk.advance(job, S::kDepth)) continue;
    if (job.values > 0) reduce_tile<At>(job, held, sample, tile, row, col, room);
    if (job.gradients) add_to<At>(job, job.gradients[sample], held, row, col);
    if (job.formed) copy_to<At>(job, job.formed + int64_t(job.rank[sample]) * job.outputs * job.inputs, held, row, col);
    if (job.weights) {
      const float weight = job.weights[sample];
#pragma unroll
      for (int i = 0; i < kHeld; ++i) total[i / 4][i % 4] = fmaf(weight, held[i / 4][i % 4], total[i / 4][i % 4]);
    }
    clear(held);
  }
  if (job.gradient) add_to<At>(job, job.gradient, total, row, col);
  if (job.shares) copy_to<At>(job, job.shares + int64_t(part) * job.outputs * job.inputs, total, row, col);
}

/// Threads of the kernels that sum what blocks have left.
inline constexpr int kSumThreads = 128;

/// norms2[i] and dots[k × samples + i] += the sums over tiles. Grid: samples of the launch × values.
static __global__ void __launch_bounds__(kSumThreads)
    sum_over_tiles(SampleTiles job, int samples, double* norms2, double* dots) {
  GRADFOLD_SHARED(double, room, kSumThreads / kWarp);
  const int sample = job.first + int(blockIdx.x), value = int(blockIdx.y), thread = int(threadIdx.x);
  if (job.begin[sample] == job.begin[sample + 1]) return;  // nothing was written for it
  const double* sums = job.sums + (int64_t(blockIdx.x) * job.values + value) * job.tiles;
  double sum = 0.0;
  for (int tile = thread; tile < job.tiles; tile += kSumThreads) sum += sums[tile];
  sum = warp_sum(sum);
  if (thread % kWarp == 0) room[thread / kWarp] = sum;
  __syncthreads();
  if (thread != 0) return;
  const double total = sum_of_warps<kSumThreads / kWarp>(room);
  if (job.norms && value == 0)
    norms2[sample] += total;
  else
    dots[int64_t(value - (job.norms ? 1 : 0)) * samples + sample] += total;
}

/// gradient += the shares of all parts.
static __global__ void __launch_bounds__(kSumThreads)
    sum_over_parts(const float* shares, int parts, int outputs, int inputs, int64_t pitch, float* gradient) {
  const int64_t count = int64_t(outputs) * inputs, i = int64_t(blockIdx.x) * kSumThreads + int(threadIdx.x);
  if (i >= count) return;
  float sum = 0.0f;
  for (int part = 0; part < parts; ++part) sum += shares[part * count + i];
  gradient[i / inputs * pitch + i % inputs] += sum;
}

}  // namespace gradfold::cuda
