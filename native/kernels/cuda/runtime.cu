// runtime.h on a CUDA device.
#include <cuda_runtime.h>

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

/// A chain of nodes, one for each work. Products of the library are captured one by one, since it enqueues what it
/// likes.
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
    const auto add_copy = [&](const void* from, cudaMemcpyKind kind) {
      check(cudaGraphAddMemcpyNode1D(&node, graph_, before, count, work.to, from, work.bytes, kind), work.name);
    };
    switch (work.kind) {
      case Work::Kind::kernel: {
        const KernelArguments arguments(work, trace.arguments.data() + work.at);
        const cudaKernelNodeParams parameters = node_of(work, arguments);
        check(cudaGraphAddKernelNode(&node, graph_, before, count, &parameters), work.name);
        break;
      }
      case Work::Kind::library: {
        cudaGraph_t product = capture(work, trace.arguments.data() + work.at);
        const cudaError_t status = cudaGraphAddChildGraphNode(&node, graph_, before, count, product);
        cudaGraphDestroy(product);
        check(status, work.name);
        break;
      }
      case Work::Kind::upload:
        add_copy(pinned + work.at, cudaMemcpyHostToDevice);
        break;
      case Work::Kind::copy:
        add_copy(work.from, cudaMemcpyDeviceToDevice);
        break;
      case Work::Kind::zero: {
        cudaMemsetParams parameters{};
        parameters.dst = work.to;
        parameters.elementSize = 1;
        parameters.width = work.bytes;
        parameters.height = 1;
        check(cudaGraphAddMemsetNode(&node, graph_, before, count, &parameters), work.name);
        break;
      }
    }
    return node;
  }

  cudaGraph_t capture(const Work& work, const std::byte* arguments) const {
    cudaGraph_t captured = nullptr;
    // Of this thread alone: others may allocate meanwhile.
    check(cudaStreamBeginCapture(state_.capturing, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    try {
      work.call(work, arguments, state_.capturing);
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
  for (int device = 0; device < count; ++device) machine.devices.push_back(facts_of(device));
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

void* Stream::State::allocate(size_t bytes) {
  bind();
  if (bytes == 0) bytes = 1;
  void* memory = nullptr;
  const auto attempt = [&] {
    return pool != nullptr ? cudaMallocFromPoolAsync(&memory, bytes, pool, stream) : cudaMalloc(&memory, bytes);
  };
  cudaError_t status = attempt();
  if (status == cudaErrorMemoryAllocation && pool != nullptr) {
    // What the pool keeps for later may be in pieces: given back, it can be had as one.
    cudaGetLastError();
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    check(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo");
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
  switch (work.kind) {
    case Work::Kind::kernel: {
      // Static arrays count towards the 48 KiB that need no asking; none of the kernels has 16 KiB of them.
      constexpr size_t kWithoutAsking = size_t{32} << 10;
      if (work.shared > kWithoutAsking)
        check(cudaFuncSetAttribute(work.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(work.shared)),
              work.name);
      const KernelArguments given(work, arguments);
      return check(cudaLaunchKernel(work.function, extent_of(work.grid), extent_of(work.block), given.pointers(),
                                    work.shared, stream),
                   work.name);
    }
    case Work::Kind::library:
      return work.call(work, arguments, stream);
    case Work::Kind::copy:
      return check(cudaMemcpyAsync(work.to, work.from, work.bytes, cudaMemcpyDeviceToDevice, stream), work.name);
    case Work::Kind::zero:
      return check(cudaMemsetAsync(work.to, 0, work.bytes, stream), work.name);
    case Work::Kind::upload:
      break;
  }
  throw DeviceError("CUDA: an upload is not issued");
}

void Stream::State::copy_in(void* to, const void* pinned, size_t bytes) {
  bind();
  check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
}

void Stream::State::copy_out(void* to, const void* from, size_t bytes) {
  bind();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
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
