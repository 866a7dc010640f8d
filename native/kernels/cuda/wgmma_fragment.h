// Who holds what of a product of warpgroups, for kernels, hosts and the emulation alike.
#pragma once

#ifdef __CUDACC__
#define GRADFOLD_ANYWHERE __host__ __device__
#else
#define GRADFOLD_ANYWHERE
#endif

namespace gradfold::cuda {

/// The numbers of a 64 × 256 product that thread t of a warpgroup holds: number i is (row, col). Narrower products end
/// earlier.
struct WarpgroupFragment {
  static constexpr int kCount = 128;
  static GRADFOLD_ANYWHERE constexpr int row(int t, int i) { return t / 32 * 16 + i / 2 % 2 * 8 + t % 32 / 4; }
  static GRADFOLD_ANYWHERE constexpr int col(int t, int i) { return i / 4 * 8 + t % 4 * 2 + i % 2; }
};

}  // namespace gradfold::cuda
