// Life and memory of the CPU device.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <new>

#include "cpu_device.h"

#define GRADFOLD_STRING_OF(name) #name
#define GRADFOLD_STRING(name) GRADFOLD_STRING_OF(name)

namespace gradfold::GRADFOLD_ISA {

constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

CpuDevice::CpuDevice(int threads, Type precision, const ProductKind& kind)
    : threads_(threads),
      precision_(precision),
      kind_(kind),
      product_(kind.product != nullptr ? kind.product : portable_product),
      scratch_(static_cast<void**>(calloc(static_cast<size_t>(threads), sizeof(void*)))),
      scratch_bytes_(static_cast<size_t*>(calloc(static_cast<size_t>(threads), sizeof(size_t)))) {
  if (scratch_ == nullptr || scratch_bytes_ == nullptr) {
    free(scratch_);
    free(scratch_bytes_);
    throw std::bad_alloc();
  }
}

CpuDevice::~CpuDevice() {
  for (int thread = 0; thread < threads_; ++thread) release(scratch_[thread]);
  free(scratch_);
  free(scratch_bytes_);
}

const char* CpuDevice::isa() const { return GRADFOLD_STRING(GRADFOLD_ISA); }

void* CpuDevice::allocate(size_t bytes) {
  // The first touch of fresh small pages is slow, so large blocks ask for huge ones.
  const bool huge = bytes >= kHugePage;
  void* memory = nullptr;
  if (posix_memalign(&memory, huge ? kHugePage : kCacheLine, bytes > 0 ? bytes : kCacheLine) != 0)
    throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (huge) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish; refusal changes nothing
#endif
  return memory;
}

void CpuDevice::release(void* memory) { free(memory); }

void CpuDevice::upload(void* to, const void* from, size_t bytes) {
  if (bytes > 0) memcpy(to, from, bytes);  // empty vectors come with null pointers
}

void CpuDevice::download(void* to, const void* from, size_t bytes) {
  if (bytes > 0) memcpy(to, from, bytes);  // empty vectors come with null pointers
}

void* CpuDevice::scratch(int thread, size_t bytes) {
  if (scratch_bytes_[thread] < bytes) {
    release(scratch_[thread]);
    scratch_[thread] = nullptr;
    scratch_bytes_[thread] = 0;
    scratch_[thread] = allocate(bytes);
    scratch_bytes_[thread] = bytes;
  }
  return scratch_[thread];
}

Device* make_cpu_device(int threads, Type precision, const ProductKind& kind) {
  return new CpuDevice(threads, precision, kind);
}

}  // namespace gradfold::GRADFOLD_ISA
