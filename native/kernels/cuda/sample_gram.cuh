// Gram matrix of gradients that stand in memory side by side: gram(i, j) += ⟨formed_i, formed_j⟩.
//
// A block takes 8 × 8 samples and a run of numbers. A thread adds up to kGramPieces products of a pair in float32; from
// there on sums are float64, over threads, then over blocks by a second kernel.
#pragma once

#include "sample_tiles.cuh"

namespace gradfold::cuda {

inline constexpr int kGramSide = 8, kGramThreads = 256, kGramPieces = 256;
/// Numbers of a block.
inline constexpr int64_t kGramRun = int64_t{kGramThreads} * kGramPieces;

struct FormedGram {
  const float* formed;  // [present × numbers]
  int64_t numbers;
  int present;        // samples that have tokens
  const int32_t* id;  // [present] which they are
  double* sums;       // [pairs of sides × runs × 64]
  int runs;
  double* gram;  // [samples × samples] += both halves
  int samples;

  /// Pair of sides number `pair`, counted along rows of the upper half.
  __device__ __forceinline__ void locate(int pair, int& left, int& right) const {
    int row = (present + kGramSide - 1) / kGramSide;
    left = 0;
    while (pair >= row) pair -= row--, ++left;
    right = left + pair;
  }
};

/// Grid: runs × pairs of sides.
static __global__ void __launch_bounds__(kGramThreads) gram_runs(FormedGram job) {
  constexpr int kWarps = kGramThreads / kWarp, kPairs = kGramSide * kGramSide;
  GRADFOLD_SHARED(double, room, kPairs* kWarps);
  const int thread = int(threadIdx.x);
  int left, right;
  job.locate(int(blockIdx.y), left, right);
  const float* a = job.formed + int64_t(left) * kGramSide * job.numbers;
  const float* b = job.formed + int64_t(right) * kGramSide * job.numbers;
  const int rows = job.present - left * kGramSide, cols = job.present - right * kGramSide;
  const int64_t begin = int64_t(blockIdx.x) * kGramRun, end = least(begin + kGramRun, job.numbers);
  float sums[kGramSide][kGramSide] = {};
  for (int64_t n = begin + thread; n < end; n += kGramThreads) {
    float x[kGramSide], y[kGramSide];
#pragma unroll
    for (int i = 0; i < kGramSide; ++i) {
      x[i] = i < rows ? a[i * job.numbers + n] : 0.0f;
      y[i] = i < cols ? b[i * job.numbers + n] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kGramSide; ++i)
#pragma unroll
      for (int j = 0; j < kGramSide; ++j) sums[i][j] = fmaf(x[i], y[j], sums[i][j]);
  }
#pragma unroll
  for (int pair = 0; pair < kPairs; ++pair) {
    const double sum = warp_sum(double(sums[pair / kGramSide][pair % kGramSide]));
    if (thread % kWarp == 0) room[pair * kWarps + thread / kWarp] = sum;
  }
  __syncthreads();
  if (thread >= kPairs) return;
  job.sums[(int64_t(blockIdx.y) * job.runs + int(blockIdx.x)) * kPairs + thread] =
      sum_of_warps<kWarps>(room + thread * kWarps);
}

/// Grid: pairs of sides; a thread for each pair of samples.
static __global__ void __launch_bounds__(kGramSide* kGramSide) sum_over_runs(FormedGram job) {
  int left, right;
  job.locate(int(blockIdx.x), left, right);
  const int i = left * kGramSide + int(threadIdx.x) / kGramSide, j = right * kGramSide + int(threadIdx.x) % kGramSide;
  if (i > j || j >= job.present) return;
  const double* sums = job.sums + int64_t(blockIdx.x) * job.runs * kGramSide * kGramSide + int(threadIdx.x);
  double total = 0.0;
  for (int run = 0; run < job.runs; ++run) total += sums[int64_t(run) * kGramSide * kGramSide];
  const int64_t row = job.id[i], col = job.id[j];
  job.gram[row * job.samples + col] += total;
  if (row != col) job.gram[col * job.samples + row] += total;
}

}  // namespace gradfold::cuda
