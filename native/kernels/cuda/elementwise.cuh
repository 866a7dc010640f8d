// Kernels that do the same to every number of a matrix: one template over what is done.
#pragma once

#include "cuda_kernel.h"

namespace gradfold::cuda {

/// W neighbours, loaded and stored at once.
template <class T, int W>
struct alignas(sizeof(T) * W) Pack {
  T values[W];
};

template <int W, class T>
__device__ __forceinline__ void load_pack(const T* from, float (&to)[W]) {
  const Pack<T, W> pack = *reinterpret_cast<const Pack<T, W>*>(from);
#pragma unroll
  for (int i = 0; i < W; ++i) to[i] = to_float(pack.values[i]);
}

template <int W, class T>
__device__ __forceinline__ void store_pack(T* to, const float (&from)[W]) {
  Pack<T, W> pack;
#pragma unroll
  for (int i = 0; i < W; ++i) pack.values[i] = from_float<T>(from[i]);
  *reinterpret_cast<Pack<T, W>*>(to) = pack;
}

/// Calls op.apply<W>(row, column) for packs of W columns and op.apply<1> for those that are left. Threads are laid out
/// threadIdx.x along a row, threadIdx.y over rows.
template <int W, class Op>
__global__ void __launch_bounds__(256) elementwise_kernel(Op op, int64_t rows, int64_t cols) {
  const int64_t column = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * W;
  if (column >= cols) return;
  for (int64_t r = int64_t(blockIdx.y) * blockDim.y + threadIdx.y; r < rows; r += int64_t(gridDim.y) * blockDim.y) {
    if (column + W <= cols)
      op.template apply<W>(r, column);
    else
      for (int64_t c = column; c < cols; ++c) op.template apply<1>(r, c);
  }
}

}  // namespace gradfold::cuda
