// Launching a kernel: the one place where a device and the emulation differ for those who launch.
#pragma once

#include <array>
#include <cstring>
#include <string>
#include <type_traits>
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
  void put(uint32_t (&to)[3]) const {
    to[0] = static_cast<uint32_t>(x);
    to[1] = static_cast<uint32_t>(y);
    to[2] = static_cast<uint32_t>(z);
  }
};

/// How the arguments of a kernel lie in memory, for a graph to keep and to compare.
template <class... Parameters>
class PackedArguments {
 public:
  explicit PackedArguments(const Parameters&... values) {
    int k = 0;
    (put(values, kOffsets[k++]), ...);
  }

  static constexpr int kCount = int(sizeof...(Parameters));
  static_assert(kCount <= kMostParameters);
  static constexpr size_t kBytes = (aligned_bytes(sizeof(Parameters)) + ... + 0);
  /// Where each begins.
  static constexpr std::array<uint32_t, kCount + 1> kOffsets = [] {
    std::array<uint32_t, kCount + 1> offsets{};
    constexpr size_t sizes[] = {aligned_bytes(sizeof(Parameters))..., 0};
    for (int k = 0; k < kCount; ++k) offsets[k + 1] = offsets[k] + uint32_t(sizes[k]);
    return offsets;
  }();

  const void* data() const { return bytes_; }

 private:
  template <class T>
  void put(const T& value, uint32_t at) {
    static_assert(std::is_trivially_copyable_v<T>);
    T copy = value;
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(&copy);  // equal arguments are equal bytes
#endif
#endif
    std::memcpy(bytes_ + at, &copy, sizeof copy);
  }

  alignas(kWorkAlignment) std::byte bytes_[kBytes + 1] = {};
};

#ifdef GRADFOLD_CUDA_EMULATION
/// Runs a kernel on arguments that PackedArguments has laid out.
template <class... Parameters, size_t... kIndex>
void run_packed(void (*kernel)(Parameters...), const std::byte* arguments, std::index_sequence<kIndex...>) {
  using Packed = PackedArguments<Parameters...>;
  (void)arguments;
  kernel(*reinterpret_cast<const Parameters*>(arguments + Packed::kOffsets[kIndex])...);
}

template <class... Parameters>
void run_kernel(const Work& work, const std::byte* arguments, void*) {
  const auto kernel = reinterpret_cast<void (*)(Parameters...)>(reinterpret_cast<uintptr_t>(work.function));
  const auto extent = [](const uint32_t(&e)[3]) { return emulation::Dim3(e[0], e[1], e[2]); };
  try {
    emulation::run_grid(extent(work.grid), extent(work.block), work.shared,
                        [&] { run_packed(kernel, arguments, std::index_sequence_for<Parameters...>{}); });
  } catch (const emulation::Fault& fault) {
    throw emulation::Fault(std::string("kernel ") + work.name + ": " + fault.what());
  }
}
#endif

/// Enqueues kernel(args…) on a grid of blocks; an empty grid does nothing. name: for errors. shared: bytes for
/// GRADFOLD_DYNAMIC_SHARED. Arguments are copied: pointers in them are device memory.
template <class... Parameters, class... Arguments>
void launch(Stream& stream, const char* name, Extent grid, Extent block, size_t shared, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
  if (grid.empty()) return;
  using Packed = PackedArguments<Parameters...>;
  const Packed packed{static_cast<Parameters>(std::forward<Arguments>(arguments))...};
  Work work;
  work.name = name;
  work.function = reinterpret_cast<const void*>(kernel);
  grid.put(work.grid);
  block.put(work.block);
  work.shared = shared;
  work.offsets = Packed::kOffsets.data();
  work.parameters = Packed::kCount;
  work.bytes = Packed::kBytes;
#ifdef GRADFOLD_CUDA_EMULATION
  work.call = run_kernel<Parameters...>;
#endif
  stream.enqueue(work, packed.data());
}

}  // namespace gradfold::cuda
