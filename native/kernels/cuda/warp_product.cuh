// Products of a warp on operands in shared memory: 16 rows of a result, held in registers as the tensor cores hold
// them.
//
// Lane k holds of every 8 columns the numbers (k / 4, 2 (k % 4) …) and (k / 4 + 8, 2 (k % 4) …), for float32 operands
// too, so that whatever is done to scores between two products is written once. Bfloat16 products run on the tensor
// cores; float32 ones are fused multiply-adds (tile_product.cuh says why).
#pragma once

#include "panel.cuh"

namespace gradfold::cuda {

/// Rows of a strip, and 16-byte units by which rows in shared memory are apart beyond their width: eight rows then meet
/// no bank twice.
inline constexpr int kStripRows = 16;
template <class T>
inline constexpr int kRowPad = 16 / int(sizeof(T));

/// 16 × kColumns numbers.
template <int kColumns>
struct Strip {
  static_assert(kColumns % 16 == 0);
  static constexpr int kBlocks = kColumns / 8;
  float n[kBlocks][4];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < kBlocks * 4; ++i) n[i / 4][i % 4] = 0.0f;
  }
};

/// The row of number q of a lane's four, from the strip's first; the column within their 8.
__device__ __forceinline__ int strip_row(int q) { return int(threadIdx.x) % kWarp / 4 + q / 2 * 8; }
__device__ __forceinline__ int strip_column(int q) { return int(threadIdx.x) % 4 * 2 + q % 2; }

/// The sum, or the maximum, over the four lanes that share a row.
template <class T>
__device__ __forceinline__ T row_sum(T value) {
  value += __shfl_xor_sync(kWholeWarp, value, 1);
  value += __shfl_xor_sync(kWholeWarp, value, 2);
  return value;
}
__device__ __forceinline__ float row_max(float value) {
  value = fmaxf(value, __shfl_xor_sync(kWholeWarp, value, 1));
  return fmaxf(value, __shfl_xor_sync(kWholeWarp, value, 2));
}

/// strip += a bᵀ: a [16 × kDepth] and b [kColumns × kDepth] in shared memory, rows kPitch apart.
template <int kDepth, int kPitch, int kColumns>
__device__ __forceinline__ void add_row_product(Strip<kColumns>& strip, SharedArray<Bf16> a, SharedArray<Bf16> b) {
  const int lane = int(threadIdx.x) % kWarp;
  const SharedArray<Bf16> a_row = a + (lane % 16 * kPitch + lane / 16 * 8);
  const SharedArray<Bf16> b_row = b + ((lane / 16 * 8 + lane % 8) * kPitch + lane / 8 % 2 * 8);
#pragma unroll
  for (int k = 0; k < kDepth; k += 16) {
    uint32_t left[4], both[4];
    ldmatrix_x4(left, a_row + k);
#pragma unroll
    for (int block = 0; block < Strip<kColumns>::kBlocks; block += 2) {
      ldmatrix_x4(both, b_row + (block * 8 * kPitch + k));
      const uint32_t first[2] = {both[0], both[1]}, second[2] = {both[2], both[3]};
      mma_bf16_16816(strip.n[block], left, first);
      mma_bf16_16816(strip.n[block + 1], left, second);
    }
  }
}

template <int kDepth, int kPitch, int kColumns>
__device__ __forceinline__ void add_row_product(Strip<kColumns>& strip, SharedArray<float> a, SharedArray<float> b) {
  const SharedArray<float> a_row = a + strip_row(0) * kPitch, b_row = b + strip_column(0) * kPitch;
#pragma unroll 1
  for (int k = 0; k < kDepth; k += 4) {
    const Pack<float, 4> low = read_pack<4>(a_row + k), high = read_pack<4>(a_row + (8 * kPitch + k));
#pragma unroll
    for (int block = 0; block < Strip<kColumns>::kBlocks; ++block)
#pragma unroll
      for (int side = 0; side < 2; ++side) {
        const Pack<float, 4> right = read_pack<4>(b_row + ((block * 8 + side) * kPitch + k));
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          strip.n[block][side] = fmaf(low.values[i], right.values[i], strip.n[block][side]);
          strip.n[block][2 + side] = fmaf(high.values[i], right.values[i], strip.n[block][2 + side]);
        }
      }
  }
}

/// strip += p b: p [16 × kDepth] in registers, b [kDepth × kColumns] in shared memory, rows kPitch apart.
template <int kPitch, int kDepth, int kColumns>
__device__ __forceinline__ void add_held_product(Strip<kColumns>& strip, const Strip<kDepth>& p, SharedArray<Bf16> b) {
  const int lane = int(threadIdx.x) % kWarp;
  const SharedArray<Bf16> b_row = b + (lane % 16 * kPitch + lane / 16 * 8);
#pragma unroll
  for (int k = 0; k < kDepth; k += 16) {
    const float *low = p.n[k / 8], *high = p.n[k / 8 + 1];
    const uint32_t left[4] = {pack_bf16(low[0], low[1]), pack_bf16(low[2], low[3]), pack_bf16(high[0], high[1]),
                              pack_bf16(high[2], high[3])};
#pragma unroll
    for (int block = 0; block < Strip<kColumns>::kBlocks; block += 2) {
      uint32_t both[4];
      ldmatrix_x4_trans(both, b_row + (k * kPitch + block * 8));
      const uint32_t first[2] = {both[0], both[1]}, second[2] = {both[2], both[3]};
      mma_bf16_16816(strip.n[block], left, first);
      mma_bf16_16816(strip.n[block + 1], left, second);
    }
  }
}

/// Float32: numbers of p come from the lanes that hold them; a run of columns is summed over the depth by itself before
/// it joins the strip, so that rounding grows with the number of tiles, not of rows.
template <int kPitch, int kDepth, int kColumns>
__device__ __forceinline__ void add_held_product(Strip<kColumns>& strip, const Strip<kDepth>& p, SharedArray<float> b) {
  constexpr int kRun = Strip<kColumns>::kBlocks < 4 ? Strip<kColumns>::kBlocks : 4;
  static_assert(Strip<kColumns>::kBlocks % kRun == 0);
  const int row_lanes = int(threadIdx.x) % kWarp / 4 * 4;
  const SharedArray<float> b_row = b + strip_column(0);
#pragma unroll
  for (int run = 0; run < Strip<kColumns>::kBlocks; run += kRun) {
    float sums[kRun][4] = {};
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      const float low = __shfl_sync(kWholeWarp, p.n[k / 8][k % 2], row_lanes + k % 8 / 2);
      const float high = __shfl_sync(kWholeWarp, p.n[k / 8][2 + k % 2], row_lanes + k % 8 / 2);
#pragma unroll
      for (int block = 0; block < kRun; ++block) {
        const Pack<float, 2> right = read_pack<2>(b_row + (k * kPitch + (run + block) * 8));
        sums[block][0] = fmaf(low, right.values[0], sums[block][0]);
        sums[block][1] = fmaf(low, right.values[1], sums[block][1]);
        sums[block][2] = fmaf(high, right.values[0], sums[block][2]);
        sums[block][3] = fmaf(high, right.values[1], sums[block][3]);
      }
    }
#pragma unroll
    for (int block = 0; block < kRun; ++block)
#pragma unroll
      for (int q = 0; q < 4; ++q) strip.n[run + block][q] += sums[block][q];
  }
}

}  // namespace gradfold::cuda
