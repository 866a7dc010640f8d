// One operand of a product in shared memory: the part that a block of threads multiplies next.
//
// An operand of op(A) op(B) is seen by an outer index, a row or column of the result, and the inner index that is
// summed over. A panel holds kOuter outer × kDepth inner numbers, zeros where the operand ends. Bfloat16 panels keep
// the lines of memory as they are: ldmatrix turns them on the way to registers. Float32 panels are laid out inner index
// first, so that every thread reads its rows and columns as vectors.
#pragma once

#include "elementwise.cuh"

namespace gradfold::cuda {

/// A matrix of one type, seen through the indices of a product.
template <class T>
struct Operand {
  const T* data;
  int64_t stride;
  int outers, inners;  // where the indices end
  bool vectors;        // lines begin at multiples of 16 bytes
};

/// Inner numbers of a panel.
template <class T>
inline constexpr int kPanelDepth = sizeof(T) == 2 ? 32 : 16;

template <int kCount, class T>
__device__ __forceinline__ Pack<T, kCount> read_pack(SharedArray<T> from) {
  return shared_as<Pack<T, kCount>>(from)[0];
}
template <int kCount, class T>
__device__ __forceinline__ void write_pack(SharedArray<T> to, const Pack<T, kCount>& pack) {
  shared_as<Pack<T, kCount>>(to)[0] = pack;
}

/// kInner: the inner index runs along lines of memory; else the outer one does.
template <class T, bool kInner, int kOuter>
struct Panel;

template <bool kInner, int kOuter>
struct Panel<Bf16, kInner, kOuter> {
  static constexpr int kDepth = kPanelDepth<Bf16>;
  static constexpr int kLines = kInner ? kOuter : kDepth, kLength = kInner ? kDepth : kOuter;
  static constexpr int kPitch = kLength + 8;  // an odd number of 16-byte units: eight lines meet no bank twice
  static constexpr int kBytes = kLines * kPitch * int(sizeof(Bf16));

  /// Starts copying the outer indices from `outer` and the inner ones from `inner` up to `inner_end`.
  template <int kThreads>
  static __device__ __forceinline__ void load(SharedArray<Bf16> shared, const Operand<Bf16>& from, int outer, int inner,
                                              int inner_end) {
    constexpr int kChunks = kLength / 8;
    const int first_line = kInner ? outer : inner, lines = kInner ? from.outers : inner_end;
    const int first = kInner ? inner : outer, end = kInner ? inner_end : from.outers;
    for (int i = int(threadIdx.x); i < kLines * kChunks; i += kThreads) {
      const int line = i / kChunks, chunk = i % kChunks * 8;
      const SharedArray<Bf16> to = shared + line * kPitch + chunk;
      const int count = first_line + line < lines ? end - first - chunk : 0;
      const Bf16* source = from.data + int64_t(first_line + line) * from.stride + first + chunk;
      if (from.vectors && count >= 8) {
        cp_async_16(to, source, true);
        continue;
      }
      Pack<Bf16, 8> copy;
#pragma unroll
      for (int j = 0; j < 8; ++j) copy.values[j] = j < count ? source[j] : Bf16{0};
      write_pack(to, copy);
    }
  }
};

template <bool kInner, int kOuter>
struct Panel<float, kInner, kOuter> {
  static constexpr int kDepth = kPanelDepth<float>;
  static constexpr int kPitch = kOuter + 4;
  static constexpr int kBytes = kDepth * kPitch * int(sizeof(float));

  template <int kThreads>
  static __device__ __forceinline__ void load(SharedArray<float> shared, const Operand<float>& from, int outer,
                                              int inner, int inner_end) {
    if (!kInner && from.vectors) return load_vectors<kThreads>(shared, from, outer, inner, inner_end);
    for (int i = int(threadIdx.x); i < kDepth * kOuter; i += kThreads) {
      const int k = kInner ? i % kDepth : i / kOuter, o = kInner ? i / kDepth : i % kOuter;
      const SharedArray<float> to = shared + k * kPitch + o;
      if (inner + k < inner_end && outer + o < from.outers)
        cp_async_4(to,
                   from.data + (kInner ? int64_t(outer + o) * from.stride + inner + k
                                       : int64_t(inner + k) * from.stride + outer + o),
                   true);
      else
        to[0] = 0.0f;
    }
  }

 private:
  template <int kThreads>
  static __device__ __forceinline__ void load_vectors(SharedArray<float> shared, const Operand<float>& from, int outer,
                                                      int inner, int inner_end) {
    constexpr int kChunks = kOuter / 4;
    for (int i = int(threadIdx.x); i < kDepth * kChunks; i += kThreads) {
      const int k = i / kChunks, chunk = i % kChunks * 4;
      const SharedArray<float> to = shared + k * kPitch + chunk;
      const int count = inner + k < inner_end ? from.outers - outer - chunk : 0;
      const float* source = from.data + int64_t(inner + k) * from.stride + outer + chunk;
      if (count >= 4) {
        cp_async_16(to, source, true);
        continue;
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) to[j] = j < count ? source[j] : 0.0f;
    }
  }
};

}  // namespace gradfold::cuda
