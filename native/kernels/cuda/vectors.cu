// Vectors of the CUDA device.
#include "cuda_device.h"
#include "elementwise.h"
#include "vectors.cuh"

namespace gradfold::cuda {

namespace {

constexpr int kPack = 4;

bool aligned(const float* x) { return in_packs<kPack>(x); }

}  // namespace

void CudaDevice::fill(float* x, float value, int64_t count) {
  run_elementwise<kPack>(stream_, "fill", FillOp{x, value}, 1, count, aligned(x));
}

void CudaDevice::copy(float* to, const float* from, int64_t count) {
  if (count > 0) stream_.copy(to, from, static_cast<size_t>(count) * sizeof(float));
}

void CudaDevice::scale(float* x, double a, int64_t count) {
  run_elementwise<kPack>(stream_, "scale", ScaleOp{x, static_cast<float>(a)}, 1, count, aligned(x));
}

void CudaDevice::axpy(float* y, double a, const float* x, int64_t count) {
  run_elementwise<kPack>(stream_, "axpy", AxpyOp{y, x, static_cast<float>(a)}, 1, count, aligned(x) && aligned(y));
}

double CudaDevice::dot(const float* x, const float* y, int64_t count) {
  constexpr int64_t kMostBlocks = 1024, kOfBlock = 4 * kDotThreads * kPack;
  if (count == 0) return 0.0;
  const int64_t blocks = least(ceil_div(count, kOfBlock), kMostBlocks);
  Workspace workspace(*this);
  double *parts = workspace.take<double>(blocks), *total = workspace.take<double>(1);
  const auto kernel = aligned(x) && aligned(y) ? dot_kernel<kPack> : dot_kernel<1>;
  launch(stream_, "dot", blocks, kDotThreads, 0, kernel, x, y, count, parts);
  launch(stream_, "dot, its parts", 1, kDotThreads, 0, add_parts_kernel, parts, blocks, total);
  double result = 0.0;
  stream_.copy_out(&result, total, sizeof result);
  return result;
}

}  // namespace gradfold::cuda
