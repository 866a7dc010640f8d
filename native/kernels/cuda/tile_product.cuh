// A kTile × kTile tile of a product, held by one block in registers, 64 numbers a thread.
//
// Bfloat16 operands go through the tensor cores (mma.sync m16n8k16, float32 accumulation), a warp holding 64 × 32
// numbers. Float32 operands are multiplied by plain fused multiply-adds, 8 × 8 numbers a thread: tf32 drops 13 bits of
// every operand, and putting them back together from three products would still leave the tensor core's truncated
// additions, whose error grows with the depth; these sums round like the CPU's.
//
// Panels of the operands are copied asynchronously kStages − 1 steps ahead.
#pragma once

#include "panel.cuh"

namespace gradfold::cuda {

/// Numbers of a tile that a thread holds, and they themselves, four by four.
template <int kCount>
using HeldNumbers = float[kCount / 4][4];
inline constexpr int kHeld = 64;
using Held = HeldNumbers<kHeld>;

template <int kTile>
inline constexpr int kTileThreads = kTile* kTile / kHeld;

/// How a square tile divides among the threads of a block.
template <int kTile>
struct TileShape {
  static constexpr int kRows = kTile, kCols = kTile, kCount = kHeld, kThreads = kTileThreads<kTile>;
};

/// Where the numbers that a thread holds stand in the tile. Numbers 2 i and 2 i + 1 are neighbours in a row, the first
/// in an even column.
template <class T, int kTile>
struct Place;

template <int kTile>
struct Place<Bf16, kTile> : TileShape<kTile> {
  static constexpr int kWarpRows = 64, kWarpCols = 32, kWarpsAcross = kTile / kWarpCols;

  static __device__ __forceinline__ int warp_row() { return int(threadIdx.x) / 32 / kWarpsAcross * kWarpRows; }
  static __device__ __forceinline__ int warp_col() { return int(threadIdx.x) / 32 % kWarpsAcross * kWarpCols; }
  /// Number i belongs to matrix i / 16 of 16 rows and i / 4 % 4 of 8 columns.
  static __device__ __forceinline__ int row(int i) {
    return warp_row() + i / 16 * 16 + i / 2 % 2 * 8 + int(threadIdx.x) % 32 / 4;
  }
  static __device__ __forceinline__ int col(int i) {
    return warp_col() + i / 4 % 4 * 8 + int(threadIdx.x) % 4 * 2 + i % 2;
  }
};

template <int kTile>
struct Place<float, kTile> : TileShape<kTile> {
  static constexpr int kAcross = kTile / 8;

  static __device__ __forceinline__ int down() { return int(threadIdx.x) / kAcross * 4; }
  static __device__ __forceinline__ int across() { return int(threadIdx.x) % kAcross * 4; }
  /// Four rows and columns in each half of the tile, so that neighbouring threads read neighbouring vectors.
  static __device__ __forceinline__ int row(int i) { return i / 32 * (kTile / 2) + down() + i / 8 % 4; }
  static __device__ __forceinline__ int col(int i) { return i % 8 / 4 * (kTile / 2) + across() + i % 4; }
};

template <int kPacks>
__device__ __forceinline__ void clear(float (&held)[kPacks][4]) {
#pragma unroll
  for (int i = 0; i < kPacks * 4; ++i) held[i / 4][i % 4] = 0.0f;
}

/// held += the product of two panels of bfloat16 numbers.
template <bool kInnerA, bool kInnerB, int kTile>
__device__ __forceinline__ void multiply_panels(SharedArray<Bf16> a, SharedArray<Bf16> b, Held& held) {
  using At = Place<Bf16, kTile>;
  using A = Panel<Bf16, kInnerA, kTile>;
  using B = Panel<Bf16, kInnerB, kTile>;
  const int lane = int(threadIdx.x) % 32, row = At::warp_row(), col = At::warp_col();
#pragma unroll
  for (int k = 0; k < A::kDepth; k += 16) {
    uint32_t left[4][4], both[4], right[4][2];
#pragma unroll
    for (int m = 0; m < 4; ++m) {
      if (kInnerA)
        ldmatrix_x4(left[m], a + (row + m * 16 + lane % 16) * A::kPitch + k + lane / 16 * 8);
      else
        ldmatrix_x4_trans(left[m], a + (k + lane / 16 * 8 + lane % 8) * A::kPitch + row + m * 16 + lane / 8 % 2 * 8);
    }
#pragma unroll
    for (int n = 0; n < 4; n += 2) {
      if (kInnerB)
        ldmatrix_x4(both, b + (col + n * 8 + lane / 16 * 8 + lane % 8) * B::kPitch + k + lane / 8 % 2 * 8);
      else
        ldmatrix_x4_trans(both, b + (k + lane % 16) * B::kPitch + col + n * 8 + lane / 16 * 8);
      right[n][0] = both[0], right[n][1] = both[1];
      right[n + 1][0] = both[2], right[n + 1][1] = both[3];
    }
#pragma unroll
    for (int m = 0; m < 4; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n) mma_bf16_16816(held[m * 4 + n], left[m], right[n]);
  }
}

/// The same of float32 numbers.
template <bool kInnerA, bool kInnerB, int kTile>
__device__ __forceinline__ void multiply_panels(SharedArray<float> a, SharedArray<float> b, Held& held) {
  using At = Place<float, kTile>;
  using A = Panel<float, kInnerA, kTile>;
  using B = Panel<float, kInnerB, kTile>;
  const int down = At::down(), across = At::across();
#pragma unroll 4
  for (int k = 0; k < A::kDepth; ++k) {
    Pack<float, 4> left[2], right[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      left[half] = read_pack<4>(a + (k * A::kPitch + half * (kTile / 2) + down));
      right[half] = read_pack<4>(b + (k * B::kPitch + half * (kTile / 2) + across));
    }
#pragma unroll
    for (int i = 0; i < 8; ++i)
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        float& sum = held[i * 2 + j / 4][j % 4];
        sum = fmaf(left[i / 4].values[i % 4], right[j / 4].values[j % 4], sum);
      }
  }
}

/// The panels of kStages steps of a product in shared memory.
template <class T, bool kInnerA, bool kInnerB, int kTile>
struct Stages {
  using A = Panel<T, kInnerA, kTile>;
  using B = Panel<T, kInnerB, kTile>;
  static constexpr int kStages = 3;
  static constexpr int kStageBytes = A::kBytes + B::kBytes;
  static constexpr int kBytes = kStages * kStageBytes;
  static constexpr int kDepth = A::kDepth;

  SharedArray<unsigned char> shared;

  __device__ __forceinline__ SharedArray<T> a(int stage) const {
    return shared_part<T>(shared, stage * kStageBytes, A::kBytes / int(sizeof(T)));
  }
  __device__ __forceinline__ SharedArray<T> b(int stage) const {
    return shared_part<T>(shared, stage * kStageBytes + A::kBytes, B::kBytes / int(sizeof(T)));
  }

  /// Starts copying the panels of the tile at (row, col), inner indices from `inner` up to `inner_end`.
  __device__ __forceinline__ void load(int stage, const Operand<T>& left, const Operand<T>& right, int row, int col,
                                       int inner, int inner_end) const {
    A::template load<kTileThreads<kTile>>(a(stage), left, row, inner, inner_end);
    B::template load<kTileThreads<kTile>>(b(stage), right, col, inner, inner_end);
  }
  __device__ __forceinline__ void multiply(int stage, Held& held) const {
    multiply_panels<kInnerA, kInnerB, kTile>(a(stage), b(stage), held);
  }
};

/// held = the tile at (row, col) over the whole inner dimension. Leaves shared memory free for others after the next
/// barrier.
template <class T, bool kInnerA, bool kInnerB, int kTile>
__device__ __forceinline__ void multiply_tile(const Stages<T, kInnerA, kInnerB, kTile>& stages, const Operand<T>& a,
                                              const Operand<T>& b, int row, int col, Held& held) {
  using S = Stages<T, kInnerA, kInnerB, kTile>;
  const int inners = a.inners, steps = (inners + S::kDepth - 1) / S::kDepth;
  clear(held);
#pragma unroll
  for (int step = 0; step < S::kStages - 1; ++step) {
    if (step < steps) stages.load(step, a, b, row, col, step * S::kDepth, inners);
    cp_async_commit();
  }
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<S::kStages - 2>();
    __syncthreads();  // the panels of this step have come; those of the step before have been read
    const int next = step + S::kStages - 1;
    if (next < steps) stages.load(next % S::kStages, a, b, row, col, next * S::kDepth, inners);
    cp_async_commit();
    stages.multiply(step % S::kStages, held);
  }
}

/// Whether lines of a matrix begin at multiples of 16 bytes.
template <class T>
inline bool has_vectors(const void* data, int64_t stride) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride * int64_t(sizeof(T)) % 16 == 0;
}

/// op(m) as the left operand of a product: rows are outer unless it is transposed.
template <class T>
inline Operand<T> left_operand(const ConstAnyMat& m, bool transpose) {
  return {static_cast<const T*>(m.data), m.stride, int(transpose ? m.cols : m.rows), int(transpose ? m.rows : m.cols),
          has_vectors<T>(m.data, m.stride)};
}

/// op(m) as the right operand: columns are outer unless it is transposed.
template <class T>
inline Operand<T> right_operand(const ConstAnyMat& m, bool transpose) {
  return left_operand<T>(m, !transpose);
}

}  // namespace gradfold::cuda
