#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>

// Callee-saved registers of the System V x86-64 and of the AArch64 procedure call standards; the rest is the caller's.
#if defined(__x86_64__)
asm(R"(
.text
.hidden gradfold_switch_fiber
.globl gradfold_switch_fiber
.type gradfold_switch_fiber, @function
gradfold_switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gradfold_switch_fiber, .-gradfold_switch_fiber
)");
#elif defined(__aarch64__)
asm(R"(
.text
.hidden gradfold_switch_fiber
.globl gradfold_switch_fiber
.type gradfold_switch_fiber, %function
gradfold_switch_fiber:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size gradfold_switch_fiber, .-gradfold_switch_fiber
)");
#else
#error "the emulation of CUDA kernels knows x86-64 and AArch64"
#endif

namespace gradfold::emulation {

namespace {
size_t page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
}  // namespace

FiberStack::FiberStack() {
  void* memory = mmap(nullptr, kBytes + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  mprotect(memory_, page(), PROT_NONE);
}

FiberStack::~FiberStack() { munmap(memory_, kBytes + page()); }

void* FiberStack::start(void (*entry)()) {
  char* top = memory_ + page() + kBytes;  // 16-byte aligned
#if defined(__x86_64__)
  // Popped from the bottom: six registers, then the return address; on entry a return address lies below an aligned
  // boundary, as after a call.
  uint64_t* frame = reinterpret_cast<uint64_t*>(top) - 8;
  memset(frame, 0, 8 * sizeof(uint64_t));
  frame[6] = reinterpret_cast<uint64_t>(entry);
#else
  uint64_t* frame = reinterpret_cast<uint64_t*>(top) - 20;
  memset(frame, 0, 20 * sizeof(uint64_t));
  frame[11] = reinterpret_cast<uint64_t>(entry);
#endif
  return frame;
}

}  // namespace gradfold::emulation
