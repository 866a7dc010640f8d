// What is common to streams of a device and of its emulation.
#include <cstdlib>
#include <cstring>

#ifdef GRADFOLD_CUDA_EMULATION
#include "emulation/stream_state.h"
#else
#include "stream_state.h"
#endif
#include "work_queue.h"

namespace gradfold::cuda {

namespace {

bool wants_graphs() {
  const char* wanted = std::getenv("GRADFOLD_CUDA_GRAPHS");
  return wanted == nullptr || std::strcmp(wanted, "off") != 0;
}

}  // namespace

Stream::Stream(int device)
    : state_(std::make_unique<State>(device)), queue_(std::make_unique<WorkQueue>(*this, *state_, wants_graphs())) {}

Stream::~Stream() { queue_.reset(); }

const DeviceFacts& Stream::facts() const { return state_->facts; }

Stream::State& Stream::state() {
  queue_->settle();
  return *state_;
}

void* Stream::allocate(size_t bytes) {
  try {
    return state_->allocate(bytes);
  } catch (const OutOfMemory&) {
    queue_->settle();  // what is to be given back after works that are held back
    return state_->allocate(bytes);
  }
}

void Stream::release(void* memory) noexcept {
  if (memory != nullptr) queue_->release(memory);
}

void Stream::enqueue(const Work& work, const void* arguments) { queue_->add(work, arguments); }

void Stream::upload(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  Work work;
  work.kind = Work::Kind::upload;
  work.name = "upload";
  work.to = to;
  work.bytes = bytes;
  queue_->add(work, from);
}

void Stream::copy(void* to, const void* from, size_t bytes) {
  Work work;
  work.kind = Work::Kind::copy;
  work.name = "copy";
  work.to = to;
  work.from = from;
  work.bytes = bytes;
  queue_->add(work, nullptr);
}

void Stream::zero(void* memory, size_t bytes) {
  Work work;
  work.kind = Work::Kind::zero;
  work.name = "zero";
  work.to = memory;
  work.bytes = bytes;
  queue_->add(work, nullptr);
}

void Stream::copy_in(void* to, const void* pinned, size_t bytes) { state().copy_in(to, pinned, bytes); }

void Stream::copy_out(void* to, const void* from, size_t bytes) { state().copy_out(to, from, bytes); }

void Stream::wait() { state().wait(); }

void Stream::flush() noexcept { queue_->settle_quietly(); }

int64_t Stream::graphs_made() const { return queue_->made(); }
int64_t Stream::graphs_launched() const { return queue_->launched(); }

}  // namespace gradfold::cuda
