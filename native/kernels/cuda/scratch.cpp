#include "scratch.h"

#include <algorithm>

namespace gradfold::cuda {

namespace {

constexpr size_t kUnit = 256;

size_t whole_units(size_t bytes) { return (std::max<size_t>(bytes, 1) + kUnit - 1) / kUnit * kUnit; }

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
    stream_.forget(memory, bytes);
  } else {
    make_room(bytes);
    memory = stream_.allocate(bytes);
  }
  in_use_ += bytes;
  return memory;
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
}

void Scratch::clear() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Idle& one : idle_) stream_.release(one.memory);
  idle_.clear();
  idle_bytes_ = 0;
}

}  // namespace gradfold::cuda
