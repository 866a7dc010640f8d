// The matrix instruction of compute capability 9.0: a warpgroup, four warps that begin at a multiple of four,
// multiplies tiles that stand in shared memory, while its warps go on. Only files compiled for sm_90a
// (native/CMakeLists.txt) may include this.
//
// Operands are told by descriptors (PTX ISA, "Matrix descriptor"): where a tile begins and how its pieces of 8 × 128
// bytes are apart. Within a piece the 16-byte units of line l stand at place (unit ^ l % 8), the 128-byte swizzle, so
// that neither rows nor columns of units meet a bank twice. wgmma_panel.cuh lays panels out so.
//
// Order: what threads, or cp.async, have written is seen after async_proxy_fence() by each of them and then a barrier;
// accumulators belong to the tensor cores from wgmma_fence() until a wgmma_wait that counts their group as done.
#pragma once

#include "tile_product.cuh"
#include "wgmma_fragment.h"

namespace gradfold::cuda {

/// Pieces begin at multiples of it.
inline constexpr int kSwizzlePiece = 1024;

/// A tile of an operand: 16 inner numbers, outer numbers as many as the instruction takes. address: in shared memory;
/// leading: bytes between 64 outer numbers where those run along lines (unused where inner ones do); stride: bytes
/// between pieces of 8 lines.
__host__ __device__ constexpr uint64_t wgmma_descriptor(uint32_t address, uint32_t leading, uint32_t stride) {
  return uint64_t((address & 0x3ffffu) >> 4) | uint64_t(leading >> 4) << 16 | uint64_t(stride >> 4) << 32 |
         uint64_t(1) << 62;  // 128-byte swizzle
}

using WarpgroupHeld = HeldNumbers<WarpgroupFragment::kCount>;

#ifdef GRADFOLD_CUDA_EMULATION

// A macro, so that the emulation knows the place of the call.
#define wgmma_m64n256k16(transposed_a, transposed_b, d, a, b, adds)                          \
  ::gradfold::emulation::lane().block->warpgroup_multiply(GRADFOLD_SITE("wgmma_m64n256k16"), \
                                                          {256, transposed_a, transposed_b, a, b, adds}, &d[0][0])
inline void wgmma_fence() { emulation::lane().block->warpgroup_fence(); }
inline void wgmma_commit() { emulation::lane().block->warpgroup_commit(); }
template <int kLeft>
void wgmma_wait() {
  emulation::lane().block->warpgroup_wait(kLeft);
}
inline void async_proxy_fence() { emulation::lane().block->async_proxy_fence(); }
inline void keep_in_order(WarpgroupHeld&) {}

#else

#define GRADFOLD_HELD(d, i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])

/// d [64 × 256] = a [64 × 16] b [16 × 256], plus d where `adds`; bfloat16 operands, float32 sums. transposed: outer
/// numbers run along lines.
template <bool kTransposedA, bool kTransposedB>
__device__ __forceinline__ void wgmma_instruction(WarpgroupHeld& d, uint64_t a, uint64_t b, bool adds) {
  asm volatile(
      "{.reg .pred adds; setp.ne.b32 adds, %130, 0; "
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
      "%128, %129, adds, 1, 1, %131, %132;}"
      : GRADFOLD_HELD(d, 0), GRADFOLD_HELD(d, 1), GRADFOLD_HELD(d, 2), GRADFOLD_HELD(d, 3), GRADFOLD_HELD(d, 4),
        GRADFOLD_HELD(d, 5), GRADFOLD_HELD(d, 6), GRADFOLD_HELD(d, 7), GRADFOLD_HELD(d, 8), GRADFOLD_HELD(d, 9),
        GRADFOLD_HELD(d, 10), GRADFOLD_HELD(d, 11), GRADFOLD_HELD(d, 12), GRADFOLD_HELD(d, 13), GRADFOLD_HELD(d, 14),
        GRADFOLD_HELD(d, 15), GRADFOLD_HELD(d, 16), GRADFOLD_HELD(d, 17), GRADFOLD_HELD(d, 18), GRADFOLD_HELD(d, 19),
        GRADFOLD_HELD(d, 20), GRADFOLD_HELD(d, 21), GRADFOLD_HELD(d, 22), GRADFOLD_HELD(d, 23), GRADFOLD_HELD(d, 24),
        GRADFOLD_HELD(d, 25), GRADFOLD_HELD(d, 26), GRADFOLD_HELD(d, 27), GRADFOLD_HELD(d, 28), GRADFOLD_HELD(d, 29),
        GRADFOLD_HELD(d, 30), GRADFOLD_HELD(d, 31)
      : "l"(a), "l"(b), "r"(int(adds)), "n"(int(kTransposedA)), "n"(int(kTransposedB)));
}
#define wgmma_m64n256k16(transposed_a, transposed_b, d, a, b, adds) \
  wgmma_instruction<transposed_a, transposed_b>(d, a, b, adds)

#undef GRADFOLD_HELD

__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
/// Closes the group of products issued since the last.
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits until at most kLeft groups are under way.
template <int kLeft>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory");
}
/// Shows the tensor cores what this thread has written to shared memory.
__device__ __forceinline__ void async_proxy_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
/// The compiler moves nothing that touches these numbers across this place; it does not know that they arrive late.
__device__ __forceinline__ void keep_in_order(WarpgroupHeld& held) {
#pragma unroll
  for (int i = 0; i < WarpgroupFragment::kCount; ++i) asm volatile("" : "+f"(held[i / 4][i % 4])::"memory");
}

#endif

}  // namespace gradfold::cuda
