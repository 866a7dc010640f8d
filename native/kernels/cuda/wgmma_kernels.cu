// The kernels of warpgroups and their launches; compiled for sm_90a.
#include "launch.h"
#include "wgmma_kernels.h"
#include "wgmma_matmul.cuh"
#include "wgmma_samples.cuh"

namespace gradfold::cuda {

static_assert(kWarpgroupTileRows == WarpgroupPlace::kRows && kWarpgroupTileCols == WarpgroupPlace::kCols);

namespace {

template <bool kInnerA, bool kInnerB>
void run(Stream& stream, const Operand<Bf16>& a, const Operand<Bf16>& b, const Result& c) {
  constexpr size_t kShared = kSwizzlePiece + WarpgroupStages<kInnerA, kInnerB, kWarpgroupDepth>::kBytes;
  const TileOrder order{int(ceil_div(c.rows, kWarpgroupTileRows)), int(ceil_div(c.cols, kWarpgroupTileCols))};
  launch(stream, "matmul by warpgroups", int64_t{order.down} * order.across, WarpgroupPlace::kThreads, kShared,
         matmul_warpgroups<kInnerA, kInnerB>, a, b, c, order);
}

}  // namespace

void launch_warpgroup_product(Stream& stream, bool inner_a, bool inner_b, const Operand<Bf16>& a,
                              const Operand<Bf16>& b, const Result& c) {
  if (inner_a)
    inner_b ? run<true, true>(stream, a, b, c) : run<true, false>(stream, a, b, c);
  else
    inner_b ? run<false, true>(stream, a, b, c) : run<false, false>(stream, a, b, c);
}

void launch_warpgroup_samples(Stream& stream, int64_t parts, const Operand<Bf16>& g, const Operand<Bf16>& x,
                              const SampleTiles& job) {
  launch(stream, "sample_products by warpgroups", Extent(job.tiles, parts), WarpgroupPlace::kThreads,
         sample_warpgroups_shared(job.values, job.weights != nullptr), sample_warpgroups, g, x, job);
}

}  // namespace gradfold::cuda
