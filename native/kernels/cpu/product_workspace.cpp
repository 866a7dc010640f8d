#include "product_workspace.h"

#include <omp.h>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace gradfold {
namespace {

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
  void* memory = nullptr;
  if (posix_memalign(&memory, 64, bytes) != 0) return nullptr;
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
