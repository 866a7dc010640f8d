// sample_tiles.cuh by warpgroups: a block owns 128 × 256 of the weight and goes through the samples of its part of the
// batch. The tile of one sample fills the registers, so the weighted gradient is summed in shared memory, each number
// by the thread that holds it.
#pragma once

#include "sample_reduce.cuh"
#include "wgmma_tile.cuh"

namespace gradfold::cuda {

/// Tokens of a panel: the samples of a batch are short, and each ends one.
inline constexpr int kWarpgroupTokens = 32;
using SampleStages = WarpgroupStages<false, false, kWarpgroupTokens>;

/// The weighted gradient of the block's tile.
struct WarpgroupTotal {
  static constexpr int kBytes = WarpgroupPlace::kRows * WarpgroupPlace::kCols * int(sizeof(float));
  static constexpr int kPacks = WarpgroupPlace::kCount / 4;

  SharedArray<float> shared;

  /// Numbers 4 k … of this thread; neighbouring threads have neighbouring places.
  __device__ __forceinline__ SharedArray<float> pack(int k) const {
    return shared + (k * WarpgroupPlace::kThreads + int(threadIdx.x)) * 4;
  }
  __device__ __forceinline__ void clear() const {
    for (int k = 0; k < kPacks; ++k) write_pack<4>(pack(k), Pack<float, 4>{});
  }
  __device__ __forceinline__ void add(float weight, const WarpgroupHeld& held) const {
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      Pack<float, 4> sum = read_pack<4>(pack(k));
#pragma unroll
      for (int q = 0; q < 4; ++q) sum.values[q] = fmaf(weight, held[k][q], sum.values[q]);
      write_pack<4>(pack(k), sum);
    }
  }
  __device__ __forceinline__ void take(WarpgroupHeld& held) const {
#pragma unroll
    for (int k = 0; k < kPacks; ++k) {
      const Pack<float, 4> sum = read_pack<4>(pack(k));
#pragma unroll
      for (int q = 0; q < 4; ++q) held[k][q] = sum.values[q];
    }
  }
};

/// Shared memory of a block: stages, the weighted gradient where there is one, room for sums.
inline size_t sample_warpgroups_shared(int values, bool weighted) {
  return size_t(kSwizzlePiece + SampleStages::kBytes + (weighted ? WarpgroupTotal::kBytes : 0)) +
         size_t(values) * (WarpgroupPlace::kThreads / 32) * sizeof(double);
}

/// g: outputs are outer, tokens inner; x: inputs are outer. Grid: tiles × parts.
static __global__ void __launch_bounds__(WarpgroupPlace::kThreads, 1)
    sample_warpgroups(Operand<Bf16> g, Operand<Bf16> x, SampleTiles job) {
  using S = SampleStages;
  using At = WarpgroupPlace;
  GRADFOLD_DYNAMIC_SHARED(memory);
  const SharedArray<unsigned char> shared = whole_pieces(memory);
  const S stages{shared};
  const int total_bytes = job.weights ? WarpgroupTotal::kBytes : 0;
  const WarpgroupTotal total{shared_part<float>(shared, S::kBytes, total_bytes / int(sizeof(float)))};
  const SharedArray<double> room =
      shared_part<double>(shared, S::kBytes + total_bytes, int64_t(job.values) * (At::kThreads / kWarp));
  const int tile = int(blockIdx.x), row = tile / job.across * At::kRows, col = tile % job.across * At::kCols;
  const int part = int(blockIdx.y);
  if (job.weights) total.clear();

  TokenWalk coming(job, part), walk = coming;
  for (int step = 0; step < S::kAhead; ++step) {
    if (coming.more()) {
      stages.load(step, g, x, row, col, coming.token, coming.end);
      coming.advance(job, S::kDepth);
    }
    cp_async_commit();
  }
  WarpgroupHeld held;
  clear(held);
  for (int step = 0; walk.more();) {
    const int sample = walk.sample;
    bool adds = false;
    do {
      stages.arrive();
      if (coming.more()) {
        stages.load(step + S::kAhead, g, x, row, col, coming.token, coming.end);
        coming.advance(job, S::kDepth);
      }
      cp_async_commit();
      stages.multiply(step++, held, adds);
      adds = true;
      wgmma_wait<1>();
    } while (!walk.advance(job, S::kDepth));
    wgmma_wait<0>();
    keep_in_order(held);

    if (job.values > 0) reduce_tile<At>(job, held, sample, tile, row, col, room);
    if (job.gradients) add_to<At>(job, job.gradients[sample], held, row, col);
    if (job.formed) copy_to<At>(job, job.formed + int64_t(job.rank[sample]) * job.outputs * job.inputs, held, row, col);
    if (job.weights) total.add(job.weights[sample], held);
  }
  if (job.gradient || job.shares) total.take(held);
  if (job.gradient) add_to<At>(job, job.gradient, held, row, col);
  if (job.shares) copy_to<At>(job, job.shares + int64_t(part) * job.outputs * job.inputs, held, row, col);
}

}  // namespace gradfold::cuda
