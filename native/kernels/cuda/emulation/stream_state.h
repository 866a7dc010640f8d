// What a stream is in emulation. Only for tests.
#pragma once

#include <deque>
#include <map>
#include <mutex>

#include "../runtime.h"

namespace gradfold::cuda {

struct Stream::State {
  DeviceFacts facts;
  std::recursive_mutex mutex;
  std::deque<std::function<void()>> waiting;
  std::map<void*, size_t> held;
  std::map<void*, void*> mapping;
  size_t used = 0;
};

/// Puts work behind what waits.
void enqueue(Stream::State& state, std::function<void()> work);
/// Does what waits; throws DeviceError with what the first piece that failed said.
void run_waiting(Stream::State& state);

}  // namespace gradfold::cuda
