// Large scratch memory that is written before it is read.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace gradfold::order {

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};

template <typename T>
using Buffer = std::unique_ptr<T[], FreeDeleter>;

constexpr size_t kHugePage = size_t(2) << 20;

/// Asks for huge pages, where the system has them, for what lies whole within memory that was not touched yet: the
/// first touch of small pages costs more than writing to them does.
inline void ask_for_huge_pages(void* memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t first = reinterpret_cast<uintptr_t>(memory), begin = (first + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (first + bytes) / kHugePage * kHugePage;
  // A wish; refusal changes nothing.
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

/// Has the pages of memory that was not touched yet made by `threads` threads, where the system can do that on request.
/// A page made between writes that go past the caches costs more: its zeros lie in them.
inline void make_pages(void* memory, size_t bytes, int threads) {
#ifdef MADV_POPULATE_WRITE
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = reinterpret_cast<uintptr_t>(memory), end = (first + bytes + page - 1) / page * page;
  // Parts that end where huge pages do.
  const auto parts = static_cast<int64_t>((end - 1) / kHugePage - first / kHugePage + 1);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t part = 0; part < parts; ++part) {
    const uintptr_t boundary = (first / kHugePage + static_cast<uintptr_t>(part)) * kHugePage;
    const uintptr_t from = std::max(boundary, first / page * page), to = std::min(boundary + kHugePage, end);
    // Refusal changes nothing: the first write makes the page.
    madvise(reinterpret_cast<void*>(from), to - from, MADV_POPULATE_WRITE);
  }
#else
  (void)memory, (void)bytes, (void)threads;
#endif
}

/// Uninitialised room for `count` plain values, on huge pages: a radix pass touches thousands of pages in turn, and
/// both their first touch and their address translation cost more than the copy itself.
/// @throws std::bad_alloc
template <typename T>
Buffer<T> allocate_buffer(size_t count) {
  constexpr size_t line = 64;
  const size_t wanted = count * sizeof(T);
  const size_t alignment = wanted >= kHugePage ? kHugePage : line;
  const size_t bytes = (wanted + alignment) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, bytes);
  if (!memory) throw std::bad_alloc();
  ask_for_huge_pages(memory, bytes);
  return Buffer<T>(static_cast<T*>(memory));
}

}  // namespace gradfold::order
