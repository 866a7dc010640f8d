// The words of CUDA that kernels use, for a C++ compiler: each runs on the emulated block of block.h. Only what
// cuda_kernel.h lets kernels use is here; anything else does not compile. Only for tests.
#pragma once

#include <cmath>
#include <cstring>
#include <type_traits>

#include "block.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

#define threadIdx (::gradfold::emulation::lane().thread)
#define blockIdx (::gradfold::emulation::lane().block->index)
#define blockDim (::gradfold::emulation::lane().block->dim)
#define gridDim (::gradfold::emulation::lane().block->grid)

#define GRADFOLD_SITE(what) \
  ::gradfold::emulation::Site { __FILE__, __LINE__, what }

#define __syncthreads() ::gradfold::emulation::lane().block->barrier(GRADFOLD_SITE("__syncthreads"))
#define __syncwarp() ::gradfold::emulation::lane().block->warp_barrier(GRADFOLD_SITE("__syncwarp"))
#define __shfl_sync(mask, value, from) ::gradfold::emulation::shuffle(GRADFOLD_SITE("__shfl_sync"), mask, value, from)
#define __shfl_xor_sync(mask, value, bits)                                      \
  ::gradfold::emulation::shuffle(GRADFOLD_SITE("__shfl_xor_sync"), mask, value, \
                                 ::gradfold::emulation::lane().lane() ^ static_cast<int>(bits))
#define __shfl_down_sync(mask, value, by)             \
  ::gradfold::emulation::shuffle(                     \
      GRADFOLD_SITE("__shfl_down_sync"), mask, value, \
      ::gradfold::emulation::below(::gradfold::emulation::lane().lane() + static_cast<int>(by)))
#define __shfl_up_sync(mask, value, by)             \
  ::gradfold::emulation::shuffle(                   \
      GRADFOLD_SITE("__shfl_up_sync"), mask, value, \
      ::gradfold::emulation::below(::gradfold::emulation::lane().lane() - static_cast<int>(by)))
#define __ballot_sync(mask, flag) ::gradfold::emulation::ballot(GRADFOLD_SITE("__ballot_sync"), mask, flag)

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

namespace gradfold::emulation {

/// A shuffle from beyond the warp's ends gives a lane its own value.
inline int below(int from) { return from >= 0 && from < kWarp ? from : lane().lane(); }

/// The value of lane `from`.
template <class T>
T shuffle(const Site& site, unsigned mask, T value, int from) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  Lane& self = lane();
  if (mask != 0xffffffffu) self.block->fail("shuffles are among whole warps here");
  struct Given {
    T value;
  } given{value};
  using Slots = const unsigned char[kWarp][Warp::kSlot];
  const unsigned char* results = self.block->exchange(
      site, &given, sizeof given,
      [](Slots slots, unsigned char(results)[kWarp][Warp::kSlot]) { std::memcpy(results, slots, sizeof(Slots)); });
  const unsigned char* row = results + (from % kWarp - self.lane()) * static_cast<int>(Warp::kSlot);
  T taken;
  std::memcpy(&taken, row, sizeof taken);
  return taken;
}

inline uint32_t ballot(const Site& site, unsigned mask, bool flag) {
  Lane& self = lane();
  if (mask != 0xffffffffu) self.block->fail("ballots are among whole warps here");
  const uint32_t mine = flag ? 1u << self.lane() : 0u;
  const unsigned char* result = self.block->exchange(
      site, &mine, sizeof mine,
      [](const unsigned char slots[kWarp][Warp::kSlot], unsigned char results[kWarp][Warp::kSlot]) {
        uint32_t all = 0;
        for (int k = 0; k < kWarp; ++k) {
          uint32_t one;
          std::memcpy(&one, slots[k], sizeof one);
          all |= one;
        }
        for (int k = 0; k < kWarp; ++k) std::memcpy(results[k], &all, sizeof all);
      });
  uint32_t all;
  std::memcpy(&all, result, sizeof all);
  return all;
}

}  // namespace gradfold::emulation

template <class T>
inline T __ldg(const T* at) {
  return *at;
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline uint32_t __float_as_uint(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline float __uint_as_float(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
