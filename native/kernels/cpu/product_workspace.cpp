#include "product_workspace.h"

#include <omp.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace gradfold {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

struct Workspace {
  void* memory = nullptr;
  size_t bytes = 0;
  ~Workspace() { std::free(memory); }
};

thread_local Workspace workspace;

}  // namespace

void* product_workspace(size_t bytes) noexcept {
  if (bytes <= workspace.bytes) return workspace.memory;
  std::free(workspace.memory);
  workspace.memory = nullptr;
  workspace.bytes = 0;
  // Huge pages spread evenly over the sets of the second-level cache, which packed operands fill.
  const bool huge = bytes > kHugePage / 4;
  if (huge) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = nullptr;
  if (posix_memalign(&memory, huge ? kHugePage : 64, bytes) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (huge) madvise(memory, bytes, MADV_HUGEPAGE);  // a wish; refusal changes nothing
#endif
  workspace.memory = memory;
  workspace.bytes = bytes;
  return memory;
}

void refuse_product_workspace() {
  if (!omp_in_parallel()) throw std::bad_alloc();
  std::fputs("gradfold: no memory left for the operands of a matrix product\n", stderr);
  std::abort();
}

}  // namespace gradfold
