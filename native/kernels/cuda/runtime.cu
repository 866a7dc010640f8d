// runtime.h on a CUDA device.
#include <cuda_runtime.h>

#include "runtime.h"
#include "stream_state.h"

namespace gradfold::cuda {

namespace {

/// The device this thread works on; the runtime keeps one a thread.
thread_local int bound = -1;

DeviceFacts facts_of(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  DeviceFacts facts;
  facts.name = properties.name;
  facts.major = properties.major;
  facts.minor = properties.minor;
  facts.multiprocessors = properties.multiProcessorCount;
  facts.memory = properties.totalGlobalMem;
  return facts;
}

/// How many devices there are; the runtime's words where there are none.
int count_devices(std::string& reason) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  reason = cudaGetErrorString(status == cudaSuccess ? cudaErrorNoDevice : status);
  cudaGetLastError();  // the next call must not report it again
  return 0;
}

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw DeviceError(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}

Machine find_machine() {
  Machine machine;
  cudaRuntimeGetVersion(&machine.runtime);
  cudaDriverGetVersion(&machine.driver);
  const int count = count_devices(machine.reason);
  for (int device = 0; device < count; ++device) machine.devices.push_back(facts_of(device));
  return machine;
}

void Stream::State::bind() const {
  if (bound == device) return;
  check(cudaSetDevice(device), "cudaSetDevice");
  bound = device;
}

Stream::Stream(int device) : state_(std::make_unique<State>()) {
  std::string reason;
  const int count = count_devices(reason);
  if (device < 0 || device >= count)
    throw std::invalid_argument("device " + std::to_string(device) + " is not there: " +
                                (count > 0 ? "devices 0 to " + std::to_string(count - 1) + " are" : reason));
  state_->device = device;
  state_->facts = facts_of(device);
  if (state_->facts.major < 8)
    throw std::invalid_argument("device " + std::to_string(device) + " (" + state_->facts.name +
                                ") has compute capability " + std::to_string(state_->facts.major) + "." +
                                std::to_string(state_->facts.minor) + "; at least 8.0 is needed");
  state_->bind();
  check(cudaStreamCreateWithFlags(&state_->stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  int pools = 0;
  check(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, device), "cudaDeviceGetAttribute");
  if (pools == 0) return;
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device;
  check(cudaMemPoolCreate(&state_->pool, &properties), "cudaMemPoolCreate");
  // Freed memory stays with the pool: an arena or a workspace is wanted again in the next step.
  uint64_t threshold = UINT64_MAX;
  check(cudaMemPoolSetAttribute(state_->pool, cudaMemPoolAttrReleaseThreshold, &threshold), "cudaMemPoolSetAttribute");
}

Stream::~Stream() {
  // Errors are of no use to anyone here: at the end of the process the runtime may be gone already.
  if (cudaSetDevice(state_->device) == cudaSuccess) {
    bound = state_->device;
    if (state_->stream != nullptr) {
      cudaStreamSynchronize(state_->stream);
      cudaStreamDestroy(state_->stream);
    }
    if (state_->pool != nullptr) cudaMemPoolDestroy(state_->pool);
  }
  cudaGetLastError();
}

const DeviceFacts& Stream::facts() const { return state_->facts; }

void* Stream::allocate(size_t bytes) {
  State& s = *state_;
  s.bind();
  if (bytes == 0) bytes = 1;
  void* memory = nullptr;
  const auto attempt = [&] {
    return s.pool != nullptr ? cudaMallocFromPoolAsync(&memory, bytes, s.pool, s.stream) : cudaMalloc(&memory, bytes);
  };
  cudaError_t status = attempt();
  if (status == cudaErrorMemoryAllocation && s.pool != nullptr) {
    // What the pool keeps for later may be in pieces: given back, it can be had as one.
    cudaGetLastError();
    check(cudaStreamSynchronize(s.stream), "cudaStreamSynchronize");
    check(cudaMemPoolTrimTo(s.pool, 0), "cudaMemPoolTrimTo");
    status = attempt();
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    throw OutOfMemory(bytes, free, total);
  }
  check(status, "cudaMallocFromPoolAsync");
  return memory;
}

void Stream::release(void* memory) noexcept {
  if (memory == nullptr) return;
  State& s = *state_;
  if (bound != s.device && cudaSetDevice(s.device) == cudaSuccess) bound = s.device;
  if (s.pool != nullptr)
    cudaFreeAsync(memory, s.stream);
  else
    cudaFree(memory);
  cudaGetLastError();
}

void* Stream::allocate_pinned(size_t bytes) {
  state_->bind();
  void* memory = nullptr;
  check(cudaMallocHost(&memory, bytes), "cudaMallocHost");
  return memory;
}

void Stream::release_pinned(void* memory) noexcept {
  cudaFreeHost(memory);
  cudaGetLastError();
}

void Stream::copy_in(void* to, const void* pinned, size_t bytes) {
  state_->bind();
  check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, state_->stream), "cudaMemcpyAsync");
}

void Stream::copy_out(void* to, const void* from, size_t bytes) {
  state_->bind();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, state_->stream), "cudaMemcpyAsync");
  wait();
}

void Stream::copy(void* to, const void* from, size_t bytes) {
  state_->bind();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, state_->stream), "cudaMemcpyAsync");
}

void Stream::zero(void* memory, size_t bytes) {
  state_->bind();
  check(cudaMemsetAsync(memory, 0, bytes, state_->stream), "cudaMemsetAsync");
}

void Stream::wait() {
  state_->bind();
  check(cudaStreamSynchronize(state_->stream), "cudaStreamSynchronize");
}

Stream::Event::Event(Stream& stream) : stream_(stream) {
  stream.state().bind();
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  handle_ = event;
}

Stream::Event::~Event() {
  cudaEventDestroy(static_cast<cudaEvent_t>(handle_));
  cudaGetLastError();
}

void Stream::Event::record() {
  stream_.state().bind();
  check(cudaEventRecord(static_cast<cudaEvent_t>(handle_), stream_.state().stream), "cudaEventRecord");
}

void Stream::Event::wait() { check(cudaEventSynchronize(static_cast<cudaEvent_t>(handle_)), "cudaEventSynchronize"); }

}  // namespace gradfold::cuda
