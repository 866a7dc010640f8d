// Kernels over rows of scores: a thread's share of them, and which of the odd ones is first.
#pragma once

#include "reduce.cuh"

namespace gradfold::cuda {

constexpr int kRowThreads = 256;

/// Calls body(i) for this thread's share of n rows: every gridDim.x-th piece of blockDim.x rows.
template <class Body>
__device__ __forceinline__ void for_rows(int64_t n, Body body) {
  for (int64_t i = int64_t(blockIdx.x) * kRowThreads + threadIdx.x; i < n; i += int64_t(gridDim.x) * kRowThreads)
    body(i);
}

/// greatest[0] = the greatest of the numbers; one block.
static __global__ void __launch_bounds__(kRowThreads)
    greatest_kernel(const int64_t* numbers, int64_t count, int64_t* greatest) {
  int64_t best = numbers[0];
  for (int64_t i = threadIdx.x; i < count; i += kRowThreads) best = numbers[i] > best ? numbers[i] : best;
  best = block_max(best);
  if (threadIdx.x == 0) *greatest = best;
}

}  // namespace gradfold::cuda
