#include "staging.h"

#include <algorithm>
#include <cstring>

namespace gradfold::cuda {

Staging::~Staging() {
  for (Slot& slot : slots_) stream_.release_pinned(slot.memory);
}

void Staging::open() {
  while (slots_.size() < kSlots) {
    auto used = std::make_unique<Stream::Event>(stream_);
    slots_.push_back({static_cast<char*>(stream_.allocate_pinned(kSlotBytes)), std::move(used)});
  }
}

void Staging::next_slot() {
  slots_[current_].used->record();
  current_ = (current_ + 1) % kSlots;
  slots_[current_].used->wait();
  filled_ = 0;
}

void Staging::copy_in(void* to, const void* from, size_t bytes) {
  constexpr size_t kAlignment = 64;
  open();
  for (size_t done = 0; done < bytes;) {
    if (filled_ == kSlotBytes) next_slot();
    const size_t count = std::min(bytes - done, kSlotBytes - filled_);
    char* pinned = slots_[current_].memory + filled_;
    std::memcpy(pinned, static_cast<const char*>(from) + done, count);
    calls_.copy_in(static_cast<char*>(to) + done, pinned, count);
    done += count;
    filled_ = std::min(kSlotBytes, (filled_ + count + kAlignment - 1) / kAlignment * kAlignment);
  }
}

}  // namespace gradfold::cuda
