// What a stream is in emulation. Only for tests.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include "../stream_calls.h"

namespace gradfold::cuda {

struct Stream::State final : StreamCalls {
  explicit State(int device);
  ~State() override;

  DeviceFacts facts;
  std::recursive_mutex mutex;
  std::deque<std::function<void()>> waiting;
  std::map<void*, size_t> held;
  std::map<void*, void*> mapping;
  size_t used = 0;

  void* allocate(size_t bytes) override;
  void release(void* memory) noexcept override;
  void issue(const Work& work, const std::byte* arguments) override;
  void copy_in(void* to, const void* pinned, size_t bytes) override;
  void copy_out(void* to, const void* from, size_t bytes) override;
  void wait() override;
  std::unique_ptr<Graph> make_graph(const Trace& trace, char* pinned) override;
};

/// Puts work behind what waits.
void enqueue(Stream::State& state, std::function<void()> work);
/// Does what waits; throws DeviceError with what the first piece that failed said.
void run_waiting(Stream::State& state);

}  // namespace gradfold::cuda
