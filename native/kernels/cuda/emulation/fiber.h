// A stack of its own for every emulated CUDA thread, and the switch between them. Only for tests.
#pragma once

#include <cstddef>

namespace gradfold::emulation {

/// Saves the caller's registers and stack pointer in *from and goes on where `to` was saved.
extern "C" void gradfold_switch_fiber(void** from, void* to);

/// One stack with a guard page below it, used again and again.
class FiberStack {
 public:
  FiberStack();
  ~FiberStack();
  FiberStack(const FiberStack&) = delete;
  FiberStack& operator=(const FiberStack&) = delete;

  /// A stack pointer for gradfold_switch_fiber that starts `entry` (which must never return) on this stack.
  void* start(void (*entry)());

 private:
  static constexpr size_t kBytes = size_t{128} << 10;
  char* memory_;
};

}  // namespace gradfold::emulation
