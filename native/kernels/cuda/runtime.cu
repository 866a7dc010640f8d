// runtime.h on a CUDA device.
#include <cuda_runtime.h>

#include <map>
#include <mutex>
#include <utility>
#include <vector>

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

/// A kernel's arguments as the runtime takes them: where each is.
class KernelArguments {
 public:
  KernelArguments(const Work& work, const std::byte* arguments) {
    for (int k = 0; k < work.parameters; ++k) all_[k] = const_cast<std::byte*>(arguments) + work.offsets[k];
  }
  void** pointers() const { return const_cast<void**>(all_); }

 private:
  void* all_[kMostParameters];
};

dim3 extent_of(const uint32_t (&extent)[3]) { return {extent[0], extent[1], extent[2]}; }

cudaKernelNodeParams node_of(const Work& work, const KernelArguments& arguments) {
  cudaKernelNodeParams node{};
  node.func = const_cast<void*>(work.function);
  node.gridDim = extent_of(work.grid);
  node.blockDim = extent_of(work.block);
  node.sharedMemBytes = static_cast<unsigned>(work.shared);
  node.kernelParams = arguments.pointers();
  return node;
}

void copy_between(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  check(cudaMemcpyAsync(to, from, bytes, kind, stream), "cudaMemcpyAsync");
}

/// Enqueues a piece of work that is neither a kernel nor an upload.
void enqueue_on(cudaStream_t stream, const Work& work, const std::byte* arguments) {
  switch (work.kind) {
    case Work::Kind::library:
      return work.call(work, arguments, stream);
    case Work::Kind::copy:
      return copy_between(work.to, work.from, work.bytes, cudaMemcpyDeviceToDevice, stream);
    case Work::Kind::zero:
      return check(cudaMemsetAsync(work.to, 0, work.bytes, stream), work.name);
    case Work::Kind::kernel:
    case Work::Kind::upload:
      break;
  }
  throw DeviceError("CUDA: kernels and uploads are enqueued by whoever has their arguments and content");
}

/// Lets a kernel have its dynamic shared memory on the calling thread's device. How much it may have belongs to the
/// kernel, not to a launch: it only grows, so that no other stream, and no graph, finds less than its own work needs.
void grant_shared(int device, const Work& work) {
  // Static arrays count towards the 48 KiB that need no asking; none of the kernels has 16 KiB of them.
  constexpr size_t kWithoutAsking = size_t{32} << 10;
  if (work.shared <= kWithoutAsking) return;
  // Never destroyed: other threads may still launch while the process ends.
  static std::mutex& mutex = *new std::mutex;
  static auto& granted = *new std::map<std::pair<int, const void*>, size_t>;
  const std::lock_guard<std::mutex> lock(mutex);
  size_t& bytes = granted[{device, work.function}];
  if (work.shared <= bytes) return;
  check(cudaFuncSetAttribute(work.function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(work.shared)),
        work.name);
  bytes = work.shared;
}

/// A chain of nodes, one for each work. Kernels are nodes that can be given other arguments. All else is captured piece
/// by piece: products, since the library enqueues what it likes; zeros, since some drivers refuse a pool's memory in
/// nodes that were not captured; copies with them.
class DeviceGraph final : public Graph {
 public:
  DeviceGraph(Stream::State& state, const Trace& trace, char* pinned) : state_(state) {
    check(cudaGraphCreate(&graph_, 0), "cudaGraphCreate");
    try {
      for (const Work& work : trace.works) nodes_.push_back(add(trace, work, pinned));
      check(cudaGraphInstantiate(&executable_, graph_, 0), "cudaGraphInstantiate");
    } catch (...) {
      cudaGraphDestroy(graph_);
      throw;
    }
  }
  ~DeviceGraph() override {
    cudaGraphExecDestroy(executable_);
    cudaGraphDestroy(graph_);
    cudaGetLastError();
  }
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  void change(size_t index, const Trace& trace) override {
    const Work& work = trace.works[index];
    state_.bind();
    grant_shared(state_.device, work);
    const KernelArguments arguments(work, trace.arguments.data() + work.at);
    const cudaKernelNodeParams node = node_of(work, arguments);
    check(cudaGraphExecKernelNodeSetParams(executable_, nodes_[index], &node), work.name);
  }
  void launch() override {
    state_.bind();
    check(cudaGraphLaunch(executable_, state_.stream), "cudaGraphLaunch");
  }

 private:
  cudaGraphNode_t add(const Trace& trace, const Work& work, char* pinned) {
    const cudaGraphNode_t* before = nodes_.empty() ? nullptr : &nodes_.back();
    const size_t count = nodes_.empty() ? 0 : 1;
    cudaGraphNode_t node = nullptr;
    if (work.kind == Work::Kind::kernel) {
      grant_shared(state_.device, work);
      const KernelArguments arguments(work, trace.arguments.data() + work.at);
      const cudaKernelNodeParams parameters = node_of(work, arguments);
      check(cudaGraphAddKernelNode(&node, graph_, before, count, &parameters), work.name);
      return node;
    }
    cudaGraph_t piece = capture(trace, work, pinned);
    const cudaError_t status = cudaGraphAddChildGraphNode(&node, graph_, before, count, piece);
    cudaGraphDestroy(piece);
    check(status, work.name);
    return node;
  }

  cudaGraph_t capture(const Trace& trace, const Work& work, char* pinned) const {
    cudaGraph_t captured = nullptr;
    // Of this thread alone: others may allocate meanwhile.
    check(cudaStreamBeginCapture(state_.capturing, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    try {
      if (work.kind == Work::Kind::upload)
        copy_between(work.to, pinned + work.at, work.bytes, cudaMemcpyHostToDevice, state_.capturing);
      else
        enqueue_on(state_.capturing, work, trace.arguments.data() + work.at);
    } catch (...) {
      cudaStreamEndCapture(state_.capturing, &captured);
      if (captured != nullptr) cudaGraphDestroy(captured);
      cudaGetLastError();
      throw;
    }
    check(cudaStreamEndCapture(state_.capturing, &captured), "cudaStreamEndCapture");
    return captured;
  }

  Stream::State& state_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
  std::vector<cudaGraphNode_t> nodes_;
};

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
  try {
    for (int device = 0; device < count; ++device) machine.devices.push_back(facts_of(device));
  } catch (const DeviceError& error) {
    machine.devices.clear();
    machine.reason = error.what();
  }
  return machine;
}

void Stream::State::bind() const {
  if (bound == device) return;
  check(cudaSetDevice(device), "cudaSetDevice");
  bound = device;
}

Stream::State::State(int device_) : device(device_) {
  std::string reason;
  const int count = count_devices(reason);
  if (device < 0 || device >= count)
    throw std::invalid_argument("device " + std::to_string(device) + " is not there: " +
                                (count > 0 ? "devices 0 to " + std::to_string(count - 1) + " are" : reason));
  facts = facts_of(device);
  if (facts.major < 8)
    throw std::invalid_argument("device " + std::to_string(device) + " (" + facts.name + ") has compute capability " +
                                std::to_string(facts.major) + "." + std::to_string(facts.minor) +
                                "; at least 8.0 is needed");
  bind();
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  check(cudaStreamCreateWithFlags(&capturing, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  int pools = 0;
  check(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, device), "cudaDeviceGetAttribute");
  if (pools == 0) return;
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device;
  check(cudaMemPoolCreate(&pool, &properties), "cudaMemPoolCreate");
  // Freed memory stays with the pool: an arena or a workspace is wanted again in the next step.
  uint64_t threshold = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold), "cudaMemPoolSetAttribute");
}

Stream::State::~State() {
  // Errors are of no use to anyone here: at the end of the process the runtime may be gone already.
  if (cudaSetDevice(device) == cudaSuccess) {
    bound = device;
    if (stream != nullptr) {
      cudaStreamSynchronize(stream);
      cudaStreamDestroy(stream);
    }
    if (capturing != nullptr) cudaStreamDestroy(capturing);
    if (pool != nullptr) cudaMemPoolDestroy(pool);
  }
  cudaGetLastError();
}

bool Stream::State::give_back() {
  if (pool == nullptr) return false;
  cudaGetLastError();
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  check(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo");
  return true;
}

void* Stream::State::allocate(size_t bytes) {
  bind();
  if (bytes == 0) bytes = 1;
  void* memory = nullptr;
  const auto attempt = [&] {
    return pool != nullptr ? cudaMallocFromPoolAsync(&memory, bytes, pool, stream) : cudaMalloc(&memory, bytes);
  };
  cudaError_t status = attempt();
  if (status == cudaErrorMemoryAllocation && give_back()) status = attempt();
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    throw OutOfMemory(bytes, free, total);
  }
  check(status, "cudaMallocFromPoolAsync");
  return memory;
}

void Stream::State::release(void* memory) noexcept {
  if (bound != device && cudaSetDevice(device) == cudaSuccess) bound = device;
  if (pool != nullptr)
    cudaFreeAsync(memory, stream);
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

void Stream::State::issue(const Work& work, const std::byte* arguments) {
  bind();
  if (work.kind != Work::Kind::kernel) return enqueue_on(stream, work, arguments);
  grant_shared(device, work);
  const KernelArguments given(work, arguments);
  const auto attempt = [&] {
    return cudaLaunchKernel(work.function, extent_of(work.grid), extent_of(work.block), given.pointers(), work.shared,
                            stream);
  };
  // The driver loads a kernel when it is first launched, into memory that the pool may have taken.
  cudaError_t status = attempt();
  if (status == cudaErrorMemoryAllocation && give_back()) status = attempt();
  check(status, work.name);
}

void Stream::State::copy_in(void* to, const void* pinned, size_t bytes) {
  bind();
  copy_between(to, pinned, bytes, cudaMemcpyHostToDevice, stream);
}

void Stream::State::copy_out(void* to, const void* from, size_t bytes) {
  bind();
  copy_between(to, from, bytes, cudaMemcpyDeviceToHost, stream);
  wait();
}

void Stream::State::wait() {
  bind();
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

std::unique_ptr<Graph> Stream::State::make_graph(const Trace& trace, char* pinned) {
  bind();
  return std::make_unique<DeviceGraph>(*this, trace, pinned);
}

void Stream::forget(void*, size_t) {}

Stream::Event::Event(Stream& stream) : stream_(stream) {
  stream.state_->bind();
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  handle_ = event;
}

Stream::Event::~Event() {
  cudaEventDestroy(static_cast<cudaEvent_t>(handle_));
  cudaGetLastError();
}

void Stream::Event::record() {
  stream_.state_->bind();
  check(cudaEventRecord(static_cast<cudaEvent_t>(handle_), stream_.state_->stream), "cudaEventRecord");
}

void Stream::Event::wait() { check(cudaEventSynchronize(static_cast<cudaEvent_t>(handle_)), "cudaEventSynchronize"); }

}  // namespace gradfold::cuda
