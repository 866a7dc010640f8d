// Large scratch memory that is written before it is read.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace gradfold::order {

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};

template <typename T>
using Buffer = std::unique_ptr<T[], FreeDeleter>;

/// Uninitialised room for `count` plain values, on huge pages where the system has them: a radix pass touches thousands
/// of pages in turn, and both their first touch and their address translation cost more than the copy itself.
/// @throws std::bad_alloc
template <typename T>
Buffer<T> allocate_buffer(size_t count) {
  constexpr size_t huge = size_t(2) << 20, line = 64;
  const size_t wanted = count * sizeof(T);
  const size_t alignment = wanted >= huge ? huge : line;
  const size_t bytes = (wanted + alignment) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, bytes);
  if (!memory) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (alignment == huge) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return Buffer<T>(static_cast<T*>(memory));
}

}  // namespace gradfold::order
