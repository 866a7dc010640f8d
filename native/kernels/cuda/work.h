// Work of a stream as data: what a graph is made of, and compared with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gradfold::cuda {

/// Parameters that a kernel may have.
inline constexpr int kMostParameters = 32;

/// One piece of work: a kernel, a product of the library, a copy, zeros.
struct Work {
  enum class Kind : uint8_t { kernel, library, upload, copy, zero };
  /// Runs it on a cudaStream_t: a product of the library on a device, a kernel in emulation.
  using Call = void (*)(const Work& work, const std::byte* arguments, void* stream);

  Kind kind = Kind::kernel;
  const char* name = "";  // for errors

  // A kernel.
  const void* function = nullptr;
  uint32_t grid[3] = {}, block[3] = {};
  size_t shared = 0;
  const uint32_t* offsets = nullptr;  // of its parameters in the arguments
  int parameters = 0;

  void* owner = nullptr;  // a product's library
  Call call = nullptr;

  // An upload, a copy, zeros; uploads come from what the trace keeps.
  void* to = nullptr;
  const void* from = nullptr;

  size_t bytes = 0;  // of the arguments, or of what is copied
  size_t at = 0;     // where arguments, or an upload's content, are in the trace
};

/// Work from one moment at which the host waited to the next.
struct Trace {
  std::vector<Work> works;
  std::vector<std::byte> arguments, content;
  size_t content_bytes = 0;  // of all uploads, kept in `content` or not

  void clear() {
    works.clear();
    arguments.clear();
    content.clear();
    content_bytes = 0;
  }
};

/// Pieces of a trace stand at multiples of it.
inline constexpr size_t kWorkAlignment = 16;
inline constexpr size_t aligned_bytes(size_t bytes) {
  return (bytes + kWorkAlignment - 1) / kWorkAlignment * kWorkAlignment;
}

}  // namespace gradfold::cuda
