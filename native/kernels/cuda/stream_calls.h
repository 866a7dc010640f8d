// What a stream asks of the CUDA runtime (runtime.cu) or of its emulation (emulation/runtime.cpp).
#pragma once

#include <memory>

#include "runtime.h"
#include "work.h"

namespace gradfold::cuda {

/// A trace that a device runs as a whole.
class Graph {
 public:
  virtual ~Graph() = default;
  /// Gives kernel `index` the extent and arguments that it has in a trace of the same works.
  virtual void change(size_t index, const Trace& trace) = 0;
  /// Enqueues all of it; uploads come from the memory that the graph was made with.
  virtual void launch() = 0;
};

class StreamCalls {
 public:
  virtual ~StreamCalls() = default;

  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;

  /// Enqueues a piece of work that is not an upload; arguments: at a multiple of kWorkAlignment, read before it
  /// returns.
  virtual void issue(const Work& work, const std::byte* arguments) = 0;
  virtual void copy_in(void* to, const void* pinned, size_t bytes) = 0;
  virtual void copy_out(void* to, const void* from, size_t bytes) = 0;
  virtual void wait() = 0;

  /// Throws DeviceError where the device will not have it. `pinned` holds what uploads copy when the graph runs.
  virtual std::unique_ptr<Graph> make_graph(const Trace& trace, char* pinned) = 0;
};

}  // namespace gradfold::cuda
