// Writing to thousands of streams at once through one cache line a stream.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gradfold::order {

constexpr int kLineBytes = 64;

/// Copies one aligned cache line past the caches: the target is not read again in this pass, so fetching it first would
/// only double the traffic.
inline void stream_line(void* to, const void* from) {
#if defined(__SSE2__)
  const __m128i* source = static_cast<const __m128i*>(from);
  __m128i* target = static_cast<__m128i*>(to);
  for (int i = 0; i < kLineBytes / 16; ++i) _mm_stream_si128(target + i, _mm_load_si128(source + i));
#else
  std::memcpy(to, from, kLineBytes);
#endif
}

/// Makes streamed lines visible to other threads; call before a barrier.
inline void stream_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

/// Append-only writers into one array, at most `streams`, each collecting a cache line before it is written out.
/// T: trivially copyable, its size a power of two up to a line.
template <typename T, int streams>
class ScatterWriter {
 public:
  static constexpr int kLine = kLineBytes / sizeof(T);

  /// From now on stream s < count writes to out[starts[s]], out[starts[s] + 1], …; out must be aligned for T.
  void open(T* out, const int64_t* starts, int count) {
    // Positions count from the cache line in which out begins, so that a full slot is a whole line of memory.
    const int64_t phase = static_cast<int64_t>(reinterpret_cast<uintptr_t>(out) % kLineBytes / sizeof(T));
    base_ = out - phase;
    count_ = count;
    for (int s = 0; s < count; ++s) first_[s] = next_[s] = starts[s] + phase;
  }

  void append(int s, T value) {
    const int64_t at = next_[s]++;
    const uint64_t slot = static_cast<uint64_t>(at) % kLine;  // unsigned: a mask
    slots_[s][slot] = value;
    if (slot == kLine - 1) flush_line(s, at + 1 - kLine);
  }

  /// Writes out what is left in the slots.
  void finish() {
    for (int s = 0; s < count_; ++s) {
      if (next_[s] % kLine != 0) write(s, std::max(first_[s], next_[s] / kLine * kLine), next_[s]);
    }
    stream_fence();
  }

 private:
  void flush_line(int s, int64_t begin) {
    if (begin >= first_[s]) {
      stream_line(base_ + begin, slots_[s]);
    } else {
      write(s, first_[s], begin + kLine);
    }
  }

  void write(int s, int64_t begin, int64_t end) {
    std::memcpy(base_ + begin, slots_[s] + begin % kLine, static_cast<size_t>(end - begin) * sizeof(T));
  }

  T* base_;
  int count_;
  int64_t first_[streams], next_[streams];
  alignas(kLineBytes) T slots_[streams][kLine];
};

}  // namespace gradfold::order
