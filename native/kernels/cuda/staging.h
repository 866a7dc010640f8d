// Copies from ordinary memory that do not hold up the host: through pinned memory, used in turns.
#pragma once

#include <memory>
#include <vector>

#include "stream_calls.h"

namespace gradfold::cuda {

class Staging {
 public:
  Staging(Stream& stream, StreamCalls& calls) : stream_(stream), calls_(calls) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Enqueues a copy; `from` has been read when this returns.
  void copy_in(void* to, const void* from, size_t bytes);

 private:
  static constexpr size_t kSlots = 4, kSlotBytes = size_t{1} << 20;
  struct Slot {
    char* memory;
    std::unique_ptr<Stream::Event> used;  // after the last copy from it
  };
  void open();
  void next_slot();

  Stream& stream_;
  StreamCalls& calls_;
  std::vector<Slot> slots_;
  size_t current_ = 0, filled_ = 0;
};

}  // namespace gradfold::cuda
