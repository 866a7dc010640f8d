// What kernels are written in. Under nvcc this is CUDA itself; with GRADFOLD_CUDA_EMULATION a C++ compiler runs the
// same source thread by thread (emulation/block.h), which is how kernels are tested where there is no device.
//
// Kernels include this and other .cuh files, nothing else. They use: threadIdx, blockIdx, blockDim, gridDim,
// __syncthreads, __syncwarp, __shfl_*_sync and __ballot_sync on whole warps, __ldg, and what is declared here. Blocks
// of kernels that use warp operations are multiples of 32 threads; all threads of a block reach a barrier or none does;
// nothing is atomic, since equal inputs give equal bits.
//
// Shared memory is declared by GRADFOLD_SHARED and GRADFOLD_DYNAMIC_SHARED and passed as SharedArray<T>, a plain
// pointer on the device. Reading a shared number into `auto` does not compile to a copy in the emulation: name the
// type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../kernels.h"

#ifdef GRADFOLD_CUDA_EMULATION
#include "emulation/tensor_cores.h"
#else
#include <cuda_bf16.h>
#endif

namespace gradfold::cuda {

constexpr int kWarp = 32;
constexpr unsigned kWholeWarp = 0xffffffffu;
/// Dynamic and static shared memory that a block may have on every device of compute capability 8.0 and above. Kernels
/// for 9.0 alone have more (wgmma_kernels.h).
constexpr size_t kMostShared = 101376;

#ifdef GRADFOLD_CUDA_EMULATION

using emulation::SharedArray;

#define GRADFOLD_SHARED(T, name, count)              \
  static const char name##_declaration = 0;          \
  const ::gradfold::emulation::SharedArray<T> name = \
      ::gradfold::emulation::declare_shared<T>(&name##_declaration, size_t(count), #name)
#define GRADFOLD_DYNAMIC_SHARED(name) \
  const ::gradfold::emulation::SharedArray<unsigned char> name = ::gradfold::emulation::dynamic_shared(#name)

#else

template <class T>
using SharedArray = T*;

/// An array of the block, 16-byte aligned, contents undefined.
#define GRADFOLD_SHARED(T, name, count)                     \
  __shared__ __align__(16) T name##_storage[size_t(count)]; \
  const ::gradfold::cuda::SharedArray<T> name = name##_storage
/// The bytes that the launch gave the block, 128-byte aligned.
#define GRADFOLD_DYNAMIC_SHARED(name)                               \
  extern __shared__ __align__(128) unsigned char dynamic_storage[]; \
  const ::gradfold::cuda::SharedArray<unsigned char> name = dynamic_storage

#endif

/// The same memory as numbers of another type.
template <class U, class T>
__device__ inline SharedArray<U> shared_as(
#ifdef GRADFOLD_CUDA_EMULATION
    SharedArray<T> array) {
  return array.template as<U>();
#else
    T* array) {
  return reinterpret_cast<U*>(array);
#endif
}

/// Room for `count` numbers at byte `at` of dynamic shared memory.
template <class T>
__device__ inline SharedArray<T> shared_part(SharedArray<unsigned char> memory, int64_t at, int64_t count) {
#ifdef GRADFOLD_CUDA_EMULATION
  return (memory + at).template as<T>().first(count);
#else
  (void)count;
  return reinterpret_cast<T*>(memory + at);
#endif
}

/// Where an array stands in the block's shared memory, as the machine's own instructions count.
template <class T>
#ifdef GRADFOLD_CUDA_EMULATION
inline uint32_t shared_address(SharedArray<T> array) {
  return emulation::lane().block->shared_byte(array.within(0, sizeof(T)));
}
#else
__device__ __forceinline__ uint32_t shared_address(const T* at) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(at));
}
#endif

// ---- numbers --------------------------------------------------------------------------------------------------------

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(Bf16 x) { return __uint_as_float(uint32_t(x.bits) << 16); }

/// The nearest number of type T, ties to even; NaN stays NaN.
template <class T>
__device__ __forceinline__ T from_float(float x);

template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}

template <>
__device__ __forceinline__ Bf16 from_float<Bf16>(float x) {
#ifdef GRADFOLD_CUDA_EMULATION
  const uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {uint16_t(0x7fff)};
  return {uint16_t((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
#else
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#endif
}

/// Two numbers as one operand register of the tensor cores: low half first.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
#ifdef GRADFOLD_CUDA_EMULATION
  return uint32_t(from_float<Bf16>(low).bits) | uint32_t(from_float<Bf16>(high).bits) << 16;
#else
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#endif
}

// ---- tensor cores ---------------------------------------------------------------------------------------------------
// Fragments of lane k, g = k / 4, q = k % 4, as the PTX manual numbers them:
//   bf16 16816: a0 (g, 2q..) a1 (g + 8, 2q..) a2 (g, 2q + 8..) a3 (g + 8, 2q + 8..); b0 (2q.., g) b1 (2q + 8.., g)
//               d0 d1 (g, 2q..) d2 d3 (g + 8, 2q..)

#ifdef GRADFOLD_CUDA_EMULATION
// Macros, so that the emulation knows the place of the call.
#define mma_bf16_16816(d, a, b)                                                  \
  ::gradfold::emulation::multiply_tile(GRADFOLD_SITE("mma_bf16_16816"), d, a, b, \
                                       ::gradfold::emulation::combine_bf16_16816)
#define ldmatrix_x4(to, row) ::gradfold::emulation::load_tiles<4, false>(GRADFOLD_SITE("ldmatrix_x4"), to, row)
#define ldmatrix_x4_trans(to, row) \
  ::gradfold::emulation::load_tiles<4, true>(GRADFOLD_SITE("ldmatrix_x4_trans"), to, row)
#define ldmatrix_x2(to, row) ::gradfold::emulation::load_tiles<2, false>(GRADFOLD_SITE("ldmatrix_x2"), to, row)
#define ldmatrix_x2_trans(to, row) \
  ::gradfold::emulation::load_tiles<2, true>(GRADFOLD_SITE("ldmatrix_x2_trans"), to, row)
#else

/// d [16 × 8] += a [16 × 16] b [16 × 8], bfloat16 operands, float32 sums.
__device__ __forceinline__ void mma_bf16_16816(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Tiles of 8 × 8 16-bit numbers from shared memory: lane 8 m + r gives the 16-byte aligned address of row r of tile m;
/// to[m] receives, of tile m, row k / 4 and columns 2 (k % 4).. for lane k (trans: of the transposed tile).
template <class T>
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&to)[4], const T* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}
template <class T>
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&to)[4], const T* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}
template <class T>
__device__ __forceinline__ void ldmatrix_x2(uint32_t (&to)[2], const T* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1])
               : "r"(shared_address(row))
               : "memory");
}
template <class T>
__device__ __forceinline__ void ldmatrix_x2_trans(uint32_t (&to)[2], const T* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1])
               : "r"(shared_address(row))
               : "memory");
}
#endif

// ---- asynchronous copies --------------------------------------------------------------------------------------------

/// 16 bytes from device to shared memory, both 16-byte aligned; zeros where `valid` is false (from is not read then).
/// They are there after cp_async_wait of their group by the copying thread, and for other threads after a barrier then.
template <class T>
#ifdef GRADFOLD_CUDA_EMULATION
inline void cp_async_16(SharedArray<T> to, const void* from, bool valid) {
  emulation::Block& block = *emulation::lane().block;
  if (reinterpret_cast<uintptr_t>(from) % 16 != 0 && valid) block.fail("copies from an address that is not aligned");
  block.copy_async(reinterpret_cast<unsigned char*>(to.within(0, 16)), from, 16, valid, to.name());
}
#else
__device__ __forceinline__ void cp_async_16(T* to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared_address(to)), "l"(from), "r"(valid ? 16 : 0)
               : "memory");
}
#endif

/// The same of 4 bytes, for numbers that are laid out anew on their way.
template <class T>
#ifdef GRADFOLD_CUDA_EMULATION
inline void cp_async_4(SharedArray<T> to, const void* from, bool valid) {
  emulation::lane().block->copy_async(reinterpret_cast<unsigned char*>(to.within(0, 4)), from, 4, valid, to.name());
}
#else
__device__ __forceinline__ void cp_async_4(T* to, const void* from, bool valid) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;"
               :
               : "r"(shared_address(to)), "l"(from), "r"(valid ? 4 : 0)
               : "memory");
}
#endif

/// Closes this thread's group of copies.
__device__ __forceinline__ void cp_async_commit() {
#ifdef GRADFOLD_CUDA_EMULATION
  emulation::lane().block->commit_copies();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until at most kLeft of this thread's groups are under way.
template <int kLeft>
__device__ __forceinline__ void cp_async_wait() {
#ifdef GRADFOLD_CUDA_EMULATION
  emulation::lane().block->wait_copies(kLeft);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#endif
}

// ---- views ----------------------------------------------------------------------------------------------------------

/// A row-major view of numbers of one type known to the compiler.
template <class T>
struct View {
  T* data;
  int64_t rows, cols, stride;

  __device__ __forceinline__ T* row(int64_t r) const { return data + r * stride; }
};

__host__ __device__ constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
__host__ __device__ constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
__host__ __device__ constexpr int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

}  // namespace gradfold::cuda
