// What runs on the warpgroups of compute capability 9.0: bfloat16 operands, float32 sums. The kernels are compiled for
// that device alone (native/CMakeLists.txt), so whoever launches them asks has_warpgroups() first.
#pragma once

#include "matmul.cuh"
#include "sample_reduce.cuh"

namespace gradfold::cuda {

/// Rows and columns of a tile.
inline constexpr int kWarpgroupTileRows = 128, kWarpgroupTileCols = 256;
/// Values of a sample (squared norm and dots) that leave room for the weighted gradient in shared memory.
inline constexpr int kMostWarpgroupValues = 32;

/// Whether a device has the instruction and GRADFOLD_WGMMA is not "off".
bool has_warpgroups(const Stream& stream);

/// c = op(a) op(b) + beta c; inner_a, inner_b: whether the inner index runs along lines of an operand.
void launch_warpgroup_product(Stream& stream, bool inner_a, bool inner_b, const Operand<Bf16>& a,
                              const Operand<Bf16>& b, const Result& c);

/// What sample_tiles does, on tiles of this shape; job.values is at most kMostWarpgroupValues.
void launch_warpgroup_samples(Stream& stream, int64_t parts, const Operand<Bf16>& g, const Operand<Bf16>& x,
                              const SampleTiles& job);

}  // namespace gradfold::cuda
