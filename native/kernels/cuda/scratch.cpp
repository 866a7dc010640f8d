#include "scratch.h"

#include <algorithm>

namespace gradfold::cuda {

namespace {

/// Sizes of pieces are multiples of a quarter of their magnitude, within limits, so that a few tokens more or less do
/// not ask for another piece.
size_t whole_units(size_t bytes) {
  constexpr size_t kLeast = 256, kMost = size_t{256} << 10;
  size_t unit = kLeast;
  while (unit < kMost && unit * 8 <= bytes) unit *= 2;
  return (std::max<size_t>(bytes, 1) + unit - 1) / unit * unit;
}

}  // namespace

void* Scratch::take(size_t bytes) {
  bytes = whole_units(bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find_if(idle_.begin(), idle_.end(), [&](const Idle& one) { return one.bytes == bytes; });
  void* memory = nullptr;
  if (found != idle_.end()) {
    memory = found->memory;
    idle_.erase(found);
    idle_bytes_ -= bytes;
  } else {
    make_room(bytes);
    memory = allocate(bytes);
  }
  in_use_ += bytes;
  stream_.forget(memory, bytes);
  return memory;
}

void* Scratch::allocate(size_t bytes) {
  try {
    return stream_.allocate(bytes);
  } catch (const OutOfMemory&) {
    if (idle_.empty()) throw;
    give_up_idle();
    return stream_.allocate(bytes);
  }
}

void Scratch::make_room(size_t bytes) noexcept {
  while (!idle_.empty() && in_use_ + idle_bytes_ + bytes > most_) {
    stream_.release(idle_.back().memory);
    idle_bytes_ -= idle_.back().bytes;
    idle_.pop_back();
  }
}

void Scratch::give_back(void* memory, size_t bytes) noexcept {
  bytes = whole_units(bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  in_use_ -= bytes;
  idle_bytes_ += bytes;
  idle_.push_front({memory, bytes});
  make_room(0);
}

void Scratch::clear() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  give_up_idle();
}

void Scratch::give_up_idle() noexcept {
  for (const Idle& one : idle_) stream_.release(one.memory);
  idle_.clear();
  idle_bytes_ = 0;
}

}  // namespace gradfold::cuda
