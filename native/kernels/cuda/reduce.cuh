// Sums over a warp and over a block, the same bits on every thread whatever ran first.
#pragma once

#include "cuda_kernel.h"

namespace gradfold::cuda {

/// Σ over the warp, on all of its lanes.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int bits = kWarp / 2; bits > 0; bits /= 2) value += __shfl_xor_sync(kWholeWarp, value, bits);
  return value;
}

template <class T>
__device__ __forceinline__ T warp_max(T value) {
#pragma unroll
  for (int bits = kWarp / 2; bits > 0; bits /= 2) {
    const T other = __shfl_xor_sync(kWholeWarp, value, bits);
    value = other > value ? other : value;
  }
  return value;
}

/// Σ over a block of one dimension for each of kCount values, on all of its threads. Contains barriers.
template <class T, int kCount>
__device__ __forceinline__ void block_sums(T (&values)[kCount]) {
  GRADFOLD_SHARED(T, parts, kCount * kWarp);
  const int warp = int(threadIdx.x) / kWarp, lane = int(threadIdx.x) % kWarp, warps = int(blockDim.x) / kWarp;
  __syncthreads();  // nobody still reads the sums before
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    const T sum = warp_sum(values[k]);
    if (lane == 0) parts[k * kWarp + warp] = sum;
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    T total = 0;
    for (int w = 0; w < warps; ++w) total += parts[k * kWarp + w];
    values[k] = total;
  }
}

template <class T>
__device__ __forceinline__ T block_sum(T value) {
  T values[1] = {value};
  block_sums(values);
  return values[0];
}

/// The greatest over a block of one dimension, on all of its threads. Contains barriers.
template <class T>
__device__ __forceinline__ T block_max(T value) {
  GRADFOLD_SHARED(T, parts, kWarp);
  const int warp = int(threadIdx.x) / kWarp, warps = int(blockDim.x) / kWarp;
  __syncthreads();  // nobody still reads the one before
  value = warp_max(value);
  if (int(threadIdx.x) % kWarp == 0) parts[warp] = value;
  __syncthreads();
  for (int w = 0; w < warps; ++w) {
    const T other = parts[w];
    value = other > value ? other : value;
  }
  return value;
}

}  // namespace gradfold::cuda
