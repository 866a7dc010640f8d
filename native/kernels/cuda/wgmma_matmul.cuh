// c = op(a) op(b) + beta c of bfloat16 operands by tiles of warpgroups (wgmma_tile.cuh), a block for each.
#pragma once

#include "matmul.cuh"
#include "wgmma_tile.cuh"

namespace gradfold::cuda {

/// Inner numbers of a panel: 128 bytes, so that both directions of an operand are swizzled alike.
inline constexpr int kWarpgroupDepth = 64;

template <bool kInnerA, bool kInnerB>
__global__ void __launch_bounds__(WarpgroupPlace::kThreads, 1)
    matmul_warpgroups(Operand<Bf16> a, Operand<Bf16> b, Result c, TileOrder order) {
  using S = WarpgroupStages<kInnerA, kInnerB, kWarpgroupDepth>;
  GRADFOLD_DYNAMIC_SHARED(memory);
  const S stages{whole_pieces(memory)};
  int row, col;
  order.locate(int(blockIdx.x), row, col);
  row *= WarpgroupPlace::kRows;
  col *= WarpgroupPlace::kCols;
  const int inners = a.inners, steps = inners > S::kDepth ? (inners + S::kDepth - 1) / S::kDepth : 1;
#pragma unroll
  for (int step = 0; step < S::kAhead; ++step) {
    if (step < steps) stages.load(step, a, b, row, col, step * S::kDepth, inners);
    cp_async_commit();
  }
  WarpgroupHeld held;
  clear(held);
  int step = 0;
  do {
    stages.arrive();
    const int next = step + S::kAhead;
    if (next < steps) stages.load(next, a, b, row, col, next * S::kDepth, inners);
    cp_async_commit();
    stages.multiply(step, held, step > 0);
    wgmma_wait<1>();
  } while (++step < steps);
  wgmma_wait<0>();
  keep_in_order(held);
  put_tile<WarpgroupPlace>(held, c, row, col);
}

}  // namespace gradfold::cuda
