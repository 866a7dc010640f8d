// Memory that kernels take for the time of one method and that is wanted again in the next step: kept, so that equal
// work gets equal addresses, without which nothing would repeat (work_queue.h).
#pragma once

#include <list>
#include <mutex>

#include "runtime.h"

namespace gradfold::cuda {

/// Pieces go back at once, since whoever has them next enqueues behind those before; a piece is given again to whoever
/// wants about as many bytes. What is idle and what is in use are together at most `most` bytes, as long as what is in
/// use is.
class Scratch {
 public:
  Scratch(Stream& stream, size_t most) : stream_(stream), most_(most) {}
  ~Scratch() { clear(); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /// Contents undefined. Throws OutOfMemory, with nothing idle any more.
  void* take(size_t bytes);
  void give_back(void* memory, size_t bytes) noexcept;
  /// Gives what is idle back to the device.
  void clear() noexcept;

 private:
  struct Idle {
    void* memory;
    size_t bytes;
  };
  /// Memory of the device, for which everything idle is given up where there is no more.
  void* allocate(size_t bytes);
  void give_up_idle() noexcept;
  /// Gives back what has been idle for longest until `bytes` more may be in use.
  void make_room(size_t bytes) noexcept;

  Stream& stream_;
  size_t most_, in_use_ = 0, idle_bytes_ = 0;
  std::mutex mutex_;
  std::list<Idle> idle_;  // the one given back last in front
};

}  // namespace gradfold::cuda
