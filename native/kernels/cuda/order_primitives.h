// What ordering takes from a library: on a device from CUB (order.cu), in emulation from the host
// (emulation/order.cpp). Whoever calls them gives the memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime.h"

namespace gradfold::cuda {

/// Pairs of a key and a row, in two halves of memory that a sort moves them between; those of half `now` count.
template <class Key>
struct PairHalves {
  Key* keys[2];
  uint32_t* rows[2];
  int now;

  /// The same from pair `first` on.
  PairHalves from(int64_t first) const {
    return {{keys[0] + first, keys[1] + first}, {rows[0] + first, rows[1] + first}, now};
  }
};

/// Bytes that sort_pairs of `count` pairs wants beside them. Key: uint32_t or uint64_t; count < 2³².
template <class Key>
size_t sort_bytes(Stream& stream, int64_t count);

/// Enqueues the sorting of `count` pairs by their keys; equal keys stay in order. From then on half pairs.now holds
/// them, and the other nothing.
template <class Key>
void sort_pairs(Stream& stream, PairHalves<Key>& pairs, int64_t count, void* temporary, size_t bytes);

/// Bytes that running_sums of `count` numbers wants.
size_t running_sums_bytes(Stream& stream, int64_t count);

/// sums[i] = numbers[0] + … + numbers[i − 1]; all sums < 2³².
void running_sums(Stream& stream, const uint32_t* numbers, uint32_t* sums, int64_t count, void* temporary,
                  size_t bytes);

}  // namespace gradfold::cuda
