// c = op(a) op(b) + beta c by tiles (tile_product.cuh), a block for each.
#pragma once

#include "tile_product.cuh"

namespace gradfold::cuda {

/// Where a product goes.
struct Result {
  void* data;
  int64_t stride;
  int rows, cols;
  bool bf16;
  bool pairs;  // neighbours in even columns can be written together
  bool adds;   // beta is 1
};

/// Tiles of a result in runs of 8 rows of tiles, so that blocks that run together share operands in the cache.
struct TileOrder {
  int down, across;

  __device__ __forceinline__ void locate(int block, int& row, int& col) const {
    const int band = 8 * across, first = block / band * 8, high = down - first < 8 ? down - first : 8;
    row = first + block % band % high;
    col = block % band / high;
  }
};

template <class T>
__device__ __forceinline__ void put_pair(T* to, bool pair, bool second, bool adds, float left, float right) {
  if (pair && second) {
    Pack<T, 2> both;
    if (adds) {
      both = *reinterpret_cast<const Pack<T, 2>*>(to);
      left += to_float(both.values[0]);
      right += to_float(both.values[1]);
    }
    both.values[0] = from_float<T>(left);
    both.values[1] = from_float<T>(right);
    *reinterpret_cast<Pack<T, 2>*>(to) = both;
    return;
  }
  to[0] = from_float<T>(adds ? left + to_float(to[0]) : left);
  if (second) to[1] = from_float<T>(adds ? right + to_float(to[1]) : right);
}

/// Writes a tile whose first number is (row, col) of the result; At: Place, or whatever else tells who holds what.
template <class At>
__device__ __forceinline__ void put_tile(const HeldNumbers<At::kCount>& held, const Result& c, int row, int col) {
#pragma unroll
  for (int i = 0; i < At::kCount; i += 2) {
    const int r = row + At::row(i), j = col + At::col(i);
    if (r >= c.rows || j >= c.cols) continue;
    const int64_t at = r * c.stride + j;
    const float left = held[i / 4][i % 4], right = held[i / 4][i % 4 + 1];
    if (c.bf16)
      put_pair(static_cast<Bf16*>(c.data) + at, c.pairs, j + 1 < c.cols, c.adds, left, right);
    else
      put_pair(static_cast<float*>(c.data) + at, c.pairs, j + 1 < c.cols, c.adds, left, right);
  }
}

template <class T, bool kInnerA, bool kInnerB, int kTile>
__global__ void __launch_bounds__(kTileThreads<kTile>)
    matmul_tiles(Operand<T> a, Operand<T> b, Result c, TileOrder order) {
  GRADFOLD_DYNAMIC_SHARED(shared);
  const Stages<T, kInnerA, kInnerB, kTile> stages{shared};
  int row, col;
  order.locate(int(blockIdx.x), row, col);
  Held held;
  multiply_tile(stages, a, b, row * kTile, col * kTile, held);
  put_tile<Place<T, kTile>>(held, c, row * kTile, col * kTile);
}

}  // namespace gradfold::cuda
