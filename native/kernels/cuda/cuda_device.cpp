// Life and memory of the CUDA device.
#include "cuda_device.h"

#include "open.h"
#include "products.h"

namespace gradfold::cuda {

namespace {
/// What the kernels' own tables and partial sums take at most, beside the product library's workspace; families cut
/// their work so that they stay below.
constexpr size_t kMostWorkspace = size_t{128} << 20;
}  // namespace

CudaDevice::CudaDevice(int device, Type precision)
    : stream_(device),
      scratch_(stream_, kMostWorkspace),
      precision_(precision),
      isa_("sm_" + std::to_string(stream_.facts().major) + std::to_string(stream_.facts().minor)),
      products_(open_products(stream_)) {}

CudaDevice::~CudaDevice() = default;

const char* CudaDevice::gemm() const { return products_name(*products_, precision_); }

size_t CudaDevice::workspace_bytes() const { return kMostWorkspace + products_workspace(*products_); }

void* CudaDevice::allocate(size_t bytes) {
  try {
    return stream_.allocate(bytes);
  } catch (const OutOfMemory&) {
    scratch_.clear();
    return stream_.allocate(bytes);
  }
}

void CudaDevice::release(void* memory) { stream_.release(memory); }

void CudaDevice::upload(void* to, const void* from, size_t bytes) { stream_.upload(to, from, bytes); }

void CudaDevice::download(void* to, const void* from, size_t bytes) {
  if (bytes > 0) stream_.copy_out(to, from, bytes);  // empty vectors come with null pointers
}

Workspace::~Workspace() {
  for (size_t k = taken_.size(); k-- > 0;) device_.scratch_.give_back(taken_[k].memory, taken_[k].bytes);
}

void* Workspace::take_bytes(size_t bytes) {
  taken_.reserve(taken_.size() + 1);
  taken_.push_back({device_.scratch_.take(bytes), bytes});
  return taken_.back().memory;
}

}  // namespace gradfold::cuda

namespace gradfold {

std::unique_ptr<Device> open_cuda_device(int device, Type precision) {
  return std::make_unique<cuda::CudaDevice>(device, precision);
}

}  // namespace gradfold
