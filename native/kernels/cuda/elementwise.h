// Launching elementwise.cuh, as wide as the matrices' places in memory allow.
#pragma once

#include "elementwise.cuh"
#include "launch.h"

namespace gradfold::cuda {

/// Whether packs of W numbers of a matrix are aligned wherever a row begins.
template <int W, class T>
bool in_packs(const View<T>& m) {
  return reinterpret_cast<uintptr_t>(m.data) % (W * sizeof(T)) == 0 && (m.rows <= 1 || m.stride % W == 0);
}

template <int W>
bool in_packs(const ConstAnyMat& m) {
  return reinterpret_cast<uintptr_t>(m.data) % static_cast<uintptr_t>(W * size_of(m.type)) == 0 &&
         (m.rows <= 1 || m.stride % W == 0);
}

template <int W>
bool in_packs(const float* x) {
  return reinterpret_cast<uintptr_t>(x) % (W * sizeof(float)) == 0;
}

/// Runs op over rows × cols numbers. packs: all matrices it touches are in_packs<W>.
template <int W, class Op>
void run_elementwise(Stream& stream, const char* name, const Op& op, int64_t rows, int64_t cols, bool packs) {
  constexpr int64_t kThreads = 256, kMostRows = 65535;
  const int64_t width = packs ? W : 1, along = ceil_div(cols, width);
  int64_t across = 1;
  while (across < along && across < kThreads) across *= 2;
  const int64_t down = kThreads / across;
  const Extent grid(ceil_div(along, across), least(ceil_div(rows, down), kMostRows)), block(across, down);
  if (packs)
    launch(stream, name, grid, block, 0, elementwise_kernel<W, Op>, op, rows, cols);
  else
    launch(stream, name, grid, block, 0, elementwise_kernel<1, Op>, op, rows, cols);
}

}  // namespace gradfold::cuda
