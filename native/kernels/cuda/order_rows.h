// Launching kernels over rows of scores, and finding the first row that cannot be taken.
#pragma once

#include "cuda_device.h"
#include "launch.h"
#include "order_rows.cuh"

namespace gradfold::cuda {

/// Blocks for n rows: as many as keep a device busy, each with the same share.
inline int64_t row_blocks(int64_t n) {
  constexpr int64_t kMostBlocks = 4096;
  return least(ceil_div(n, kRowThreads), kMostBlocks);
}

/// Reads what keys_kernel and its like leave of their blocks: the index of the first odd row, or −1. Waits.
inline int64_t first_odd(Stream& stream, int64_t* odd, int64_t n) {
  int64_t greatest = 0;
  launch(stream, "first odd row", 1, kRowThreads, 0, greatest_kernel, odd, row_blocks(n), odd + row_blocks(n));
  stream.copy_out(&greatest, odd + row_blocks(n), sizeof greatest);
  return greatest == 0 ? -1 : n - greatest;
}

/// Numbers that first_odd wants.
inline int64_t odd_numbers(int64_t n) { return row_blocks(n) + 1; }

/// One allocation cut into arrays, so that what is asked for is the whole of it when memory is refused.
class Arrays {
 public:
  /// Bytes of `count` numbers with what aligns the next array.
  template <class T>
  static size_t bytes(int64_t count) {
    return (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  }

  Arrays(Workspace& workspace, size_t total) : at_(workspace.take<char>(static_cast<int64_t>(total))) {}

  template <class T>
  T* take(int64_t count) {
    T* array = reinterpret_cast<T*>(at_);
    at_ += bytes<T>(count);
    return array;
  }

 private:
  static constexpr size_t kAlignment = 256;
  char* at_;
};

}  // namespace gradfold::cuda
