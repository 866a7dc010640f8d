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

Stream::State::State(int device) {
  if (device != 0)
    throw std::invalid_argument("device " + std::to_string(device) + " is not there: devices 0 to 0 are");
  facts = find_machine().devices[0];
  emulation::shared_limit = facts.major == 9 ? emulation::kSharedBytesOf90 : emulation::kSharedBytes;
}

Stream::State::~State() {
  try {
    run_waiting(*this);
  } catch (const DeviceError&) {
    // a kernel's fault has been told to whoever waited, or nobody wants to know
  }
  for (const auto& [memory, bytes] : held) munmap(mapping[memory], mapped_bytes(bytes) + page());
}

void* Stream::State::allocate(size_t bytes) {
  State& s = *this;
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

void Stream::State::release(void* memory) noexcept {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  waiting.push_back([&s = *this, memory] {
    const auto found = s.held.find(memory);
    munmap(s.mapping[memory], mapped_bytes(found->second) + page());
    s.used -= found->second;
    s.mapping.erase(memory);
    s.held.erase(found);
  });
}

void* Stream::allocate_pinned(size_t bytes) { return std::malloc(bytes); }
void Stream::release_pinned(void* memory) noexcept { std::free(memory); }

void Stream::State::copy_in(void* to, const void* pinned, size_t bytes) {
  cuda::enqueue(*this, [=] { std::memcpy(to, pinned, bytes); });
}

void Stream::State::copy_out(void* to, const void* from, size_t bytes) {
  wait();
  std::memcpy(to, from, bytes);
}

void Stream::State::wait() { run_waiting(*this); }

void Stream::State::issue(const Work& work, const std::byte* arguments) {
  switch (work.kind) {
    case Work::Kind::kernel:
    case Work::Kind::library: {
      // Arguments at multiples of kWorkAlignment, as kernels and products read them.
      struct alignas(kWorkAlignment) Unit {
        std::byte bytes[kWorkAlignment];
      };
      std::vector<Unit> kept(aligned_bytes(work.bytes) / sizeof(Unit) + 1);
      if (work.bytes > 0) std::memcpy(kept.data(), arguments, work.bytes);
      return cuda::enqueue(*this, [work, kept = std::move(kept)] {
        work.call(work, reinterpret_cast<const std::byte*>(kept.data()), nullptr);
      });
    }
    case Work::Kind::copy:
      return cuda::enqueue(*this, [work] { std::memcpy(work.to, work.from, work.bytes); });
    case Work::Kind::zero:
      return cuda::enqueue(*this, [work] { std::memset(work.to, 0, work.bytes); });
    case Work::Kind::upload:
      break;
  }
  throw DeviceError("an upload is not issued");
}

namespace {

/// Enqueues a copy of the works that it was made of, with what they were changed to since.
class EmulatedGraph final : public Graph {
 public:
  EmulatedGraph(Stream::State& state, const Trace& trace, char* pinned)
      : state_(state), trace_(trace), pinned_(pinned) {}

  void change(size_t index, const Trace& trace) override {
    Work& own = trace_.works[index];
    const Work& other = trace.works[index];
    std::memcpy(trace_.arguments.data() + own.at, trace.arguments.data() + other.at, own.bytes);
    own = other;
  }
  void launch() override {
    for (const Work& work : trace_.works)
      if (work.kind == Work::Kind::upload)
        state_.copy_in(work.to, pinned_ + work.at, work.bytes);
      else
        state_.issue(work, trace_.arguments.data() + work.at);
  }

 private:
  Stream::State& state_;
  Trace trace_;
  char* pinned_;
};

}  // namespace

std::unique_ptr<Graph> Stream::State::make_graph(const Trace& trace, char* pinned) {
  if (std::getenv("GRADFOLD_EMULATED_GRAPHS_FAIL") != nullptr) throw DeviceError("no graphs, as was asked");
  return std::make_unique<EmulatedGraph>(*this, trace, pinned);
}

void Stream::forget(void* memory, size_t bytes) {
  struct Piece {
    void* memory;
    size_t bytes;
  };
  static const char function = 0;
  alignas(kWorkAlignment) const Piece piece{memory, bytes};
  Work work;  // as a kernel, whose arguments may change from step to step
  work.name = "forget";
  work.function = &function;
  work.bytes = sizeof piece;
  work.call = [](const Work&, const std::byte* arguments, void*) {
    const auto& one = *reinterpret_cast<const Piece*>(arguments);
    std::memset(one.memory, 0xff, one.bytes);
  };
  Stream::enqueue(work, &piece);
}

Stream::Event::Event(Stream& stream) : stream_(stream) {}
Stream::Event::~Event() = default;
void Stream::Event::record() {}
void Stream::Event::wait() { run_waiting(*stream_.state_); }

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
