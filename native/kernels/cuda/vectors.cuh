// Long vectors: elementwise operations and the dot product, at memory bandwidth.
#pragma once

#include "elementwise.cuh"
#include "reduce.cuh"

namespace gradfold::cuda {

struct FillOp {
  float* x;
  float value;

  template <int W>
  __device__ void apply(int64_t, int64_t c) const {
    float values[W];
#pragma unroll
    for (int i = 0; i < W; ++i) values[i] = value;
    store_pack<W>(x + c, values);
  }
};

struct ScaleOp {
  float* x;
  float factor;

  template <int W>
  __device__ void apply(int64_t, int64_t c) const {
    float values[W];
    load_pack<W>(x + c, values);
#pragma unroll
    for (int i = 0; i < W; ++i) values[i] *= factor;
    store_pack<W>(x + c, values);
  }
};

/// y += factor x; x may be y
struct AxpyOp {
  float* y;
  const float* x;
  float factor;

  template <int W>
  __device__ void apply(int64_t, int64_t c) const {
    float xs[W], ys[W];
    load_pack<W>(x + c, xs);
    load_pack<W>(y + c, ys);
#pragma unroll
    for (int i = 0; i < W; ++i) ys[i] += factor * xs[i];
    store_pack<W>(y + c, ys);
  }
};

constexpr int kDotThreads = 256;

/// parts[block] = Σ x y over every gridDim.x-th piece of blockDim.x numbers, in float64.
template <int W>
__global__ void __launch_bounds__(kDotThreads)
    dot_kernel(const float* x, const float* y, int64_t count, double* parts) {
  double sum = 0.0;
  for (int64_t i = (int64_t(blockIdx.x) * kDotThreads + threadIdx.x) * W; i < count;
       i += int64_t(gridDim.x) * kDotThreads * W) {
    if (i + W <= count) {
      float xs[W], ys[W];
      load_pack<W>(x + i, xs);
      load_pack<W>(y + i, ys);
#pragma unroll
      for (int k = 0; k < W; ++k) sum += double(xs[k]) * double(ys[k]);
    } else {
      for (int64_t k = i; k < count; ++k) sum += double(x[k]) * double(y[k]);
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

/// total = Σ parts; one block.
static __global__ void __launch_bounds__(kDotThreads)
    add_parts_kernel(const double* parts, int64_t count, double* total) {
  double sum = 0.0;
  for (int64_t i = threadIdx.x; i < count; i += kDotThreads) sum += parts[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *total = sum;
}

}  // namespace gradfold::cuda
