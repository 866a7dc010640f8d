#include "planning_device.h"

#include <algorithm>

namespace gradfold {

void* PlanningDevice::allocate(size_t bytes) {
  constexpr size_t kAlignment = 64;
  void* memory = reinterpret_cast<void*>(next_);
  next_ += (bytes / kAlignment + 1) * kAlignment;
  held_[memory] = bytes;
  now_ += bytes;
  peak_ = std::max(peak_, now_);
  return memory;
}

void PlanningDevice::release(void* memory) {
  const auto found = held_.find(memory);
  if (found == held_.end()) return;
  now_ -= found->second;
  held_.erase(found);
}

}  // namespace gradfold
