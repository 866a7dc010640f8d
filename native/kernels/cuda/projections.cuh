// Random projections: matrices of random signs, and the sums of outer products that project per-sample gradients.
#pragma once

#include "samples.cuh"

namespace gradfold::cuda {

/// Philox4x32-10 (Salmon et al. 2011), the words of lib/random.ts: counter before, random words after.
__device__ __forceinline__ void philox4x32(uint32_t (&words)[4], uint32_t key0, uint32_t key1) {
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xd2511f53} * words[0], product1 = uint64_t{0xcd9e8d57} * words[2];
    words[0] = uint32_t(product1 >> 32) ^ words[1] ^ key0;
    words[1] = uint32_t(product1);
    words[2] = uint32_t(product0 >> 32) ^ words[3] ^ key1;
    words[3] = uint32_t(product0);
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
}

constexpr int kSignThreads = 256;
/// Signs of one block of the generator, a bit each, and of the blocks that a warp computes together.
constexpr int64_t kBlockSigns = 128, kWarpSigns = kWarp * kBlockSigns;

/// out[r, c] = +1 for a 0 bit of the stream, −1 for a 1 bit, lowest bit first, entries counted row by row. Every lane
/// computes one block of the generator; then the warp writes block after block, neighbours side by side.
static __global__ void __launch_bounds__(kSignThreads)
    random_signs_kernel(uint64_t seed, uint64_t stream, View<float> out) {
  const int64_t entries = out.rows * out.cols;
  const int lane = int(threadIdx.x) % kWarp;
  const int64_t warp = (int64_t(blockIdx.x) * kSignThreads + threadIdx.x) / kWarp;
  if (warp * kWarpSigns >= entries) return;
  const uint64_t counter = uint64_t(warp * kWarp + lane);
  uint32_t words[4] = {uint32_t(counter), uint32_t(counter >> 32), uint32_t(stream), uint32_t(stream >> 32)};
  philox4x32(words, uint32_t(seed), uint32_t(seed >> 32));
  for (int block = 0; block < kWarp; ++block)
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      const uint32_t word = __shfl_sync(kWholeWarp, words[w], block);
      const int64_t entry = warp * kWarpSigns + block * kBlockSigns + w * kWarp + lane;
      if (entry >= entries) continue;
      const int64_t row = out.rows == 1 ? 0 : entry / out.cols;
      out.row(row)[entry - row * out.cols] = (word >> lane & 1u) == 0 ? 1.0f : -1.0f;
    }
}

constexpr int kOuterThreads = 256;
/// A block's tile of the outer products of one sample, and tokens summed in float32 before float64 takes over.
constexpr int kOuterLeft = 16, kOuterRight = 64, kOuterTokens = 16;

/// rows[i][p · b.cols + q] += scale Σ_t a[t, p] b[t, q] over the tokens of sample i. blockIdx.x: sample, then tile of
/// p, then tile of q. A thread has one q and every fourth p.
static __global__ void __launch_bounds__(kOuterThreads)
    add_sample_outer_kernel(View<const float> a, View<const float> b, double scale, Samples samples, int64_t lefts,
                            int64_t rights, View<float> rows) {
  GRADFOLD_SHARED(float, as, kOuterTokens* kOuterLeft);
  GRADFOLD_SHARED(float, bs, kOuterTokens* kOuterRight);
  constexpr int kGroups = kOuterThreads / kOuterRight, kOfThread = kOuterLeft / kGroups;
  const int64_t sample = blockIdx.x / (lefts * rights), tile = blockIdx.x % (lefts * rights);
  const int64_t left = tile / rights * kOuterLeft, right = tile % rights * kOuterRight;
  const int thread = int(threadIdx.x), q = thread % kOuterRight, group = thread / kOuterRight;
  double sums[kOfThread] = {};
  const int64_t end = samples.end(sample);
  for (int64_t start = samples.first(sample); start < end; start += kOuterTokens) {
    __syncthreads();  // nobody still reads the tokens before
    for (int k = thread; k < kOuterTokens * kOuterLeft; k += kOuterThreads) {
      const int64_t t = start + k / kOuterLeft, p = left + k % kOuterLeft;
      as[k] = t < end && p < a.cols ? a.row(t)[p] : 0.0f;
    }
    for (int k = thread; k < kOuterTokens * kOuterRight; k += kOuterThreads) {
      const int64_t t = start + k / kOuterRight, column = right + k % kOuterRight;
      bs[k] = t < end && column < b.cols ? b.row(t)[column] : 0.0f;
    }
    __syncthreads();
    float runs[kOfThread] = {};
    for (int t = 0; t < kOuterTokens; ++t) {
      const float value = bs[t * kOuterRight + q];
#pragma unroll
      for (int k = 0; k < kOfThread; ++k) runs[k] += as[t * kOuterLeft + group + k * kGroups] * value;
    }
#pragma unroll
    for (int k = 0; k < kOfThread; ++k) sums[k] += double(runs[k]);
  }
#pragma unroll
  for (int k = 0; k < kOfThread; ++k) {
    const int64_t p = left + group + k * kGroups, column = right + q;
    if (p < a.cols && column < b.cols) rows.row(sample)[p * b.cols + column] += float(scale * sums[k]);
  }
}

}  // namespace gradfold::cuda
