// What a stream is on a CUDA device, for files that nvcc compiles.
#pragma once

#include <cuda_runtime.h>

#include "stream_calls.h"

namespace gradfold::cuda {

/// Throws DeviceError for anything but success.
void check(cudaError_t status, const char* what);

struct Stream::State final : StreamCalls {
  explicit State(int device_);
  ~State() override;

  int device = 0;
  DeviceFacts facts;
  cudaStream_t stream = nullptr;
  cudaStream_t capturing = nullptr;  // products of the library on their way into a graph
  cudaMemPool_t pool = nullptr;      // null: this device has none, memory comes from cudaMalloc

  /// Makes the device the calling thread's.
  void bind() const;
  /// Gives what the pool keeps for later back to the device: it may be in pieces there. False where there is no pool.
  bool give_back();

  void* allocate(size_t bytes) override;
  void release(void* memory) noexcept override;
  void issue(const Work& work, const std::byte* arguments) override;
  void copy_in(void* to, const void* pinned, size_t bytes) override;
  void copy_out(void* to, const void* from, size_t bytes) override;
  void wait() override;
  std::unique_ptr<Graph> make_graph(const Trace& trace, char* pinned) override;
};

}  // namespace gradfold::cuda
