// What a stream is on a CUDA device, for files that nvcc compiles.
#pragma once

#include <cuda_runtime.h>

#include "runtime.h"

namespace gradfold::cuda {

/// Throws DeviceError for anything but success.
void check(cudaError_t status, const char* what);

struct Stream::State {
  int device = 0;
  DeviceFacts facts;
  cudaStream_t stream = nullptr;
  cudaMemPool_t pool = nullptr;  // null: this device has none, memory comes from cudaMalloc

  /// Makes the device the calling thread's.
  void bind() const;
};

}  // namespace gradfold::cuda
