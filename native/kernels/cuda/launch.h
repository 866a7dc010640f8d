// Launching a kernel: the one place where a device and the emulation differ for those who launch.
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include "cuda_kernel.h"
#include "runtime.h"

#ifdef GRADFOLD_CUDA_EMULATION
#include "emulation/stream_state.h"
#else
#include "stream_state.h"
#endif

namespace gradfold::cuda {

/// How many blocks and how many threads each; x up to 2³¹ − 1 blocks, y and z up to 65535, 1024 threads.
struct Extent {
  int64_t x = 1, y = 1, z = 1;
  Extent(int64_t x_, int64_t y_ = 1, int64_t z_ = 1) : x(x_), y(y_), z(z_) {}
  bool empty() const { return x == 0 || y == 0 || z == 0; }
};

/// Enqueues kernel(args…) on a grid of blocks; an empty grid does nothing. name: for errors. shared: bytes for
/// GRADFOLD_DYNAMIC_SHARED. Arguments are copied: pointers in them are device memory.
template <class... Parameters, class... Arguments>
void launch(Stream& stream, const char* name, Extent grid, Extent block, size_t shared, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
  if (grid.empty()) return;
#ifdef GRADFOLD_CUDA_EMULATION
  const auto dim = [](const Extent& e) {
    return emulation::Dim3(static_cast<unsigned>(e.x), static_cast<unsigned>(e.y), static_cast<unsigned>(e.z));
  };
  const std::tuple<Parameters...> given(std::forward<Arguments>(arguments)...);
  enqueue(stream.state(), [=, blocks = dim(grid), threads = dim(block)] {
    try {
      emulation::run_grid(blocks, threads, shared, [&] { std::apply(kernel, given); });
    } catch (const emulation::Fault& fault) {
      throw emulation::Fault(std::string("kernel ") + name + ": " + fault.what());
    }
  });
#else
  const auto dim = [](const Extent& e) {
    return dim3(static_cast<unsigned>(e.x), static_cast<unsigned>(e.y), static_cast<unsigned>(e.z));
  };
  Stream::State& state = stream.state();
  state.bind();
  // Static arrays count towards the 48 KiB that need no asking; none of the kernels has 16 KiB of them.
  constexpr size_t kWithoutAsking = size_t{32} << 10;
  if (shared > kWithoutAsking)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)), name);
  // clang-format off
  kernel<<<dim(grid), dim(block), shared, state.stream>>>(static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  // clang-format on
  check(cudaGetLastError(), name);
#endif
}

}  // namespace gradfold::cuda
