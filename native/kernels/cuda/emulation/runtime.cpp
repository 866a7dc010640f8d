// runtime.h in ordinary memory, for kernels that run in emulation.
//
// Nothing happens when it is enqueued, but when somebody waits: whoever reads device memory without waiting, or changes
// a table that a kernel has yet to read, finds it out here. Memory starts as NaN of every type and ends at a page that
// cannot be touched. GRADFOLD_EMULATED_MEMORY: bytes that the device has.
#include "../runtime.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "block.h"
#include "stream_state.h"

namespace gradfold::cuda {

namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kUsualMemory = size_t{8} << 30;
/// Pieces of work that may wait; more run at once, so that a long run does not pile them up.
constexpr size_t kMostWaiting = 256;

size_t emulated_memory() {
  const char* bytes = std::getenv("GRADFOLD_EMULATED_MEMORY");
  return bytes != nullptr ? std::strtoull(bytes, nullptr, 10) : kUsualMemory;
}

size_t page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

/// GRADFOLD_EMULATED_CAPABILITY: the compute capability that the device has, 8.0 or 9.0.
int emulated_major() {
  const char* capability = std::getenv("GRADFOLD_EMULATED_CAPABILITY");
  return capability != nullptr && std::strcmp(capability, "9.0") == 0 ? 9 : 8;
}

/// Where an allocation's pages begin, and how many bytes they are without the guard.
size_t mapped_bytes(size_t bytes) { return (bytes + kAlignment + page() - 1) / page() * page(); }

}  // namespace

Machine find_machine() {
  Machine machine;
  machine.runtime = machine.driver = 0;
  DeviceFacts facts;
  facts.name = "emulated CUDA device";
  facts.major = emulated_major();
  facts.multiprocessors = 4;
  facts.memory = emulated_memory();
  machine.devices.push_back(facts);
  return machine;
}

Stream::Stream(int device) : state_(std::make_unique<State>()) {
  if (device != 0)
    throw std::invalid_argument("device " + std::to_string(device) + " is not there: devices 0 to 0 are");
  state_->facts = find_machine().devices[0];
  emulation::shared_limit = state_->facts.major == 9 ? emulation::kSharedBytesOf90 : emulation::kSharedBytes;
}

Stream::~Stream() {
  try {
    run_waiting(*state_);
  } catch (const DeviceError&) {
    // a kernel's fault has been told to whoever waited, or nobody wants to know
  }
  for (const auto& [memory, bytes] : state_->held) munmap(state_->mapping[memory], mapped_bytes(bytes) + page());
}

const DeviceFacts& Stream::facts() const { return state_->facts; }

void* Stream::allocate(size_t bytes) {
  State& s = *state_;
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes == 0) bytes = kAlignment;
  const std::lock_guard<std::recursive_mutex> lock(s.mutex);
  if (bytes > s.facts.memory - s.used) run_waiting(s);  // as a device does: what is to be freed is freed first
  if (bytes > s.facts.memory - s.used) throw OutOfMemory(bytes, s.facts.memory - s.used, s.facts.memory);
  const size_t pages = mapped_bytes(bytes);
  void* mapping = mmap(nullptr, pages + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw OutOfMemory(bytes, s.facts.memory - s.used, s.facts.memory);
  char* end = static_cast<char*>(mapping) + pages;
  mprotect(end, page(), PROT_NONE);
  std::memset(end - bytes, 0xff, bytes);
  s.used += bytes;
  s.held[end - bytes] = bytes;
  s.mapping[end - bytes] = mapping;
  return end - bytes;
}

void Stream::release(void* memory) noexcept {
  if (memory == nullptr) return;
  const std::lock_guard<std::recursive_mutex> lock(state_->mutex);
  state_->waiting.push_back([&s = *state_, memory] {
    const auto found = s.held.find(memory);
    munmap(s.mapping[memory], mapped_bytes(found->second) + page());
    s.used -= found->second;
    s.mapping.erase(memory);
    s.held.erase(found);
  });
}

void* Stream::allocate_pinned(size_t bytes) { return std::malloc(bytes); }
void Stream::release_pinned(void* memory) noexcept { std::free(memory); }

void Stream::copy_in(void* to, const void* pinned, size_t bytes) {
  enqueue(*state_, [=] { std::memcpy(to, pinned, bytes); });
}

void Stream::copy_out(void* to, const void* from, size_t bytes) {
  wait();
  std::memcpy(to, from, bytes);
}

void Stream::copy(void* to, const void* from, size_t bytes) {
  enqueue(*state_, [=] { std::memcpy(to, from, bytes); });
}

void Stream::zero(void* memory, size_t bytes) {
  enqueue(*state_, [=] { std::memset(memory, 0, bytes); });
}

void Stream::wait() { run_waiting(*state_); }

Stream::Event::Event(Stream& stream) : stream_(stream) {}
Stream::Event::~Event() = default;
void Stream::Event::record() {}
void Stream::Event::wait() { stream_.wait(); }

void enqueue(Stream::State& s, std::function<void()> work) {
  const std::lock_guard<std::recursive_mutex> lock(s.mutex);
  s.waiting.push_back(std::move(work));
  if (s.waiting.size() > kMostWaiting) run_waiting(s);
}

void run_waiting(Stream::State& s) {
  const std::lock_guard<std::recursive_mutex> lock(s.mutex);
  while (!s.waiting.empty()) {
    const std::function<void()> work = std::move(s.waiting.front());
    s.waiting.pop_front();
    try {
      work();
    } catch (const std::exception& error) {
      throw DeviceError(error.what());
    }
  }
}

}  // namespace gradfold::cuda
