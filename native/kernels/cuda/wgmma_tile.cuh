// A 128 × 256 tile of a product of bfloat16 operands, held by a block of two warpgroups: each multiplies 64 of its rows
// by all columns (wgmma.cuh), 128 float32 numbers a thread.
//
// Panels of operands are copied asynchronously two steps ahead; a third is being multiplied and a fourth may still be.
#pragma once

#include "wgmma.cuh"

namespace gradfold::cuda {

/// What each thread of the block holds.
struct WarpgroupPlace {
  static constexpr int kRows = 128, kCols = 256, kCount = WarpgroupFragment::kCount, kThreads = 256;
  static constexpr int kWarpgroup = 128, kWarpgroupRows = 64;

  static __device__ __forceinline__ int warpgroup() { return int(threadIdx.x) / kWarpgroup; }
  static __device__ __forceinline__ int row(int i) {
    return warpgroup() * kWarpgroupRows + WarpgroupFragment::row(int(threadIdx.x) % kWarpgroup, i);
  }
  static __device__ __forceinline__ int col(int i) { return WarpgroupFragment::col(int(threadIdx.x) % kWarpgroup, i); }
};

/// One operand of a product in shared memory: kOuter outer × kDepth inner numbers, zeros where the operand ends.
/// kInner: the inner index runs along lines of memory, else the outer one does. Lines keep the order of memory, cut
/// into 128 bytes; eight lines of those are a piece of the swizzle.
template <bool kInner, int kOuter, int kDepth>
struct SwizzledPanel {
  static constexpr int kLines = kInner ? kOuter : kDepth, kUnits = (kInner ? kDepth : kOuter) / 8;
  static constexpr int kBytes = kOuter * kDepth * int(sizeof(Bf16));
  static_assert(kUnits % 8 == 0 && kLines % 8 == 0 && kDepth % 16 == 0 && kOuter % 64 == 0);

  /// Where 16-byte unit `unit` of line `line` stands.
  static __host__ __device__ constexpr int place(int line, int unit) {
    return (unit / 8 * kLines + line) * 128 + (unit ^ line) % 8 * 16;
  }

  /// The operand of an instruction: outer numbers from `outer`, a multiple of 64, inner ones from `inner`, of 16.
  static __device__ __forceinline__ uint64_t descriptor(uint32_t panel, int outer, int inner) {
    return kInner ? wgmma_descriptor(panel + uint32_t(outer * 128 + inner * 2), 16, kSwizzlePiece)
                  : wgmma_descriptor(panel + uint32_t(outer / 64 * kDepth * 128 + inner * 128), kDepth * 128,
                                     kSwizzlePiece);
  }

  /// Starts copying the outer indices from `outer` and the inner ones from `inner` up to `inner_end`.
  static __device__ __forceinline__ void load(SharedArray<unsigned char> panel, const Operand<Bf16>& from, int outer,
                                              int inner, int inner_end) {
    const int first_line = kInner ? outer : inner, lines = kInner ? from.outers : inner_end;
    const int first = kInner ? inner : outer, end = kInner ? inner_end : from.outers;
#pragma unroll
    for (int i = int(threadIdx.x); i < kLines * kUnits; i += WarpgroupPlace::kThreads) {
      const int line = i / kUnits, unit = i % kUnits;
      const SharedArray<unsigned char> to = panel + place(line, unit);
      const int count = first_line + line < lines ? end - first - unit * 8 : 0;
      const Bf16* source = from.data + int64_t(first_line + line) * from.stride + first + unit * 8;
      if (from.vectors && count >= 8) {
        cp_async_16(to, source, true);
        continue;
      }
      Pack<Bf16, 8> copy;
#pragma unroll
      for (int j = 0; j < 8; ++j) copy.values[j] = j < count ? source[j] : Bf16{0};
      write_pack(shared_as<Bf16>(to), copy);
    }
  }
};

/// The panels of several steps in shared memory, which begins at a multiple of kSwizzlePiece.
template <bool kInnerA, bool kInnerB, int kPanelDepth>
struct WarpgroupStages {
  using A = SwizzledPanel<kInnerA, WarpgroupPlace::kRows, kPanelDepth>;
  using B = SwizzledPanel<kInnerB, WarpgroupPlace::kCols, kPanelDepth>;
  static constexpr int kDepth = kPanelDepth, kStages = 4, kAhead = kStages - 2;
  static constexpr int kStageBytes = A::kBytes + B::kBytes, kBytes = kStages * kStageBytes;

  SharedArray<unsigned char> shared;

  /// Starts copying the panels of a step of the tile at (row, col), inner indices from `inner` up to `inner_end`.
  __device__ __forceinline__ void load(int step, const Operand<Bf16>& a, const Operand<Bf16>& b, int row, int col,
                                       int inner, int inner_end) const {
    const SharedArray<unsigned char> stage = shared + step % kStages * kStageBytes;
    A::load(stage, a, row, inner, inner_end);
    B::load(stage + A::kBytes, b, col, inner, inner_end);
  }

  /// Waits for the panels of a step, for all threads, and for the products of the step before the last: the stage that
  /// load(step + kAhead) fills is free then.
  __device__ __forceinline__ void arrive() const {
    cp_async_wait<kAhead - 1>();
    async_proxy_fence();
    __syncthreads();
  }

  /// Starts the products of a step; held = their sum, plus held where `adds`.
  __device__ __forceinline__ void multiply(int step, WarpgroupHeld& held, bool adds) const {
    const uint32_t a = shared_address(shared) + uint32_t(step % kStages * kStageBytes), b = a + A::kBytes;
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kDepth; k += 16)
      wgmma_m64n256k16(!kInnerA, !kInnerB, held,
                       A::descriptor(a, WarpgroupPlace::warpgroup() * WarpgroupPlace::kWarpgroupRows, k),
                       B::descriptor(b, 0, k), adds || k > 0);
    wgmma_commit();
  }
};

/// Dynamic shared memory from its first multiple of kSwizzlePiece on; kSwizzlePiece more than is used have to be there.
__device__ __forceinline__ SharedArray<unsigned char> whole_pieces(SharedArray<unsigned char> memory) {
  return memory + int((kSwizzlePiece - shared_address(memory) % kSwizzlePiece) % kSwizzlePiece);
}

}  // namespace gradfold::cuda
