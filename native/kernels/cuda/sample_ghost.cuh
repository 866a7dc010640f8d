// Gram matrix and norms of per-sample gradients from products between tokens, without any g_i (ghost norms: Goodfellow
// 2015, arXiv 1510.01799; with time: Li et al. 2021, arXiv 2110.05679):
//
//   ⟨g_i, g_j⟩ = Σ_{t ∈ i, u ∈ j} ⟨X_t, X_u⟩ ⟨G_t, G_u⟩.
//
// Neighbouring samples form groups of at most a tile's tokens; a longer sample is a group of its own. A block owns all
// pairs of samples of two groups, so that every sum has one owner and one order.
#pragma once

#include "tile_product.cuh"

namespace gradfold::cuda {

/// Tokens of a tile of pairs of tokens.
inline constexpr int kGhostTile = 64;

struct GhostPairs {
  const int32_t* begin;  // [samples + 1] token ranges
  const int32_t* group;  // [groups + 1] the samples of each group
  int samples;
  double* norms2;  // [samples] +=, or null
  double* gram;    // [samples × samples] += both halves, or null: then only pairs of a group with itself are met
  int first;       // group of the launch's first blocks: their left one, and the first of the right ones
};

/// The tokens of a sample within a tile that begins at `first` and has `count`, counted from there.
struct TokenRange {
  int begin, end;

  __device__ __forceinline__ TokenRange(const int32_t* ranges, int sample, int first, int count) {
    const int from = ranges[sample] - first, to = ranges[sample + 1] - first;
    begin = from < 0 ? 0 : from;
    end = to < count ? to : count;
  }
};

/// Shared memory of a block.
template <class T>
inline constexpr size_t kGhostShared = size_t(Stages<T, true, true, kGhostTile>::kBytes) +
                                       size_t(kGhostTile) * (kGhostTile + 1) * sizeof(float);

/// products [kGhostTile × (kGhostTile + 1)]: of each pair of tokens. Leaves in the first columns of a row its sums over
/// the samples of the right group: a sample has no fewer columns than it has predecessors with tokens, so a sum never
/// overwrites a product still to be read.
__device__ __forceinline__ void sum_row(SharedArray<float> row, const GhostPairs& job, int first_sample,
                                        int last_sample, int first_token, int tokens) {
  int written = 0;
  for (int j = first_sample; j < last_sample; ++j) {
    const TokenRange cols(job.begin, j, first_token, tokens);
    if (cols.begin >= cols.end) continue;
    float sum = 0.0f;
    for (int c = cols.begin; c < cols.end; ++c) {
      const float product = row[c];
      sum += product;
    }
    row[written++] = sum;
  }
}

/// Grid: right groups × left groups, both from job.first on; what lies below the diagonal is left to its mirror image.
template <class T>
__global__ void __launch_bounds__(kTileThreads<kGhostTile>) ghost_pairs(Operand<T> g, Operand<T> x, GhostPairs job) {
  using S = Stages<T, true, true, kGhostTile>;
  using At = Place<T, kGhostTile>;
  constexpr int kThreads = kTileThreads<kGhostTile>, kPitch = kGhostTile + 1;
  static_assert(kThreads == kGhostTile, "a thread takes a row");
  GRADFOLD_DYNAMIC_SHARED(shared);
  const S stages{shared};
  const SharedArray<float> products = shared_part<float>(shared, S::kBytes, kGhostTile * kPitch);
  const int thread = int(threadIdx.x);
  const int right = job.first + int(blockIdx.x), left = job.gram ? job.first + int(blockIdx.y) : right;
  if (right < left) return;
  const int left_first = job.group[left], left_last = job.group[left + 1];
  const int right_first = job.group[right], right_last = job.group[right + 1];
  const int left_begin = job.begin[left_first], left_end = job.begin[left_last];
  const int right_begin = job.begin[right_first], right_end = job.begin[right_last];

  for (int row = left_begin; row < left_end; row += kGhostTile)
    for (int col = left == right ? row : right_begin; col < right_end; col += kGhostTile) {
      const int rows = left_end - row < kGhostTile ? left_end - row : kGhostTile;
      const int cols = right_end - col < kGhostTile ? right_end - col : kGhostTile;
      Operand<T> a = x, b = x;
      a.outers = left_end, b.outers = right_end;
      Held inputs, outputs;
      multiply_tile(stages, a, b, row, col, inputs);
      __syncthreads();  // the panels and the last tile's products have been read
      a = g, b = g;
      a.outers = left_end, b.outers = right_end;
      multiply_tile(stages, a, b, row, col, outputs);
#pragma unroll
      for (int i = 0; i < kHeld; ++i)
        products[At::row(i) * kPitch + At::col(i)] = inputs[i / 4][i % 4] * outputs[i / 4][i % 4];
      __syncthreads();
      sum_row(products + thread * kPitch, job, right_first, right_last, col, cols);
      __syncthreads();
      // Pairs of tokens of one sample in two tiles stand for their mirror images as well.
      const double times = left == right && row != col ? 2.0 : 1.0;
      const int across = right_last - right_first, pairs = (left_last - left_first) * across;
      for (int pair = thread; pair < pairs; pair += kThreads) {
        const int i = left_first + pair / across, j = right_first + pair % across;
        const TokenRange lines(job.begin, i, row, rows), columns(job.begin, j, col, cols);
        if (i > j || (i != j && !job.gram) || lines.begin >= lines.end || columns.begin >= columns.end) continue;
        int place = 0;  // of j's sums: samples with tokens before it
        for (int before = right_first; before < j; ++before) {
          const TokenRange taken(job.begin, before, col, cols);
          place += taken.begin < taken.end ? 1 : 0;
        }
        double sum = 0.0;
        for (int line = lines.begin; line < lines.end; ++line) {
          const float share = products[line * kPitch + place];
          sum += double(share);
        }
        sum *= times;
        if (job.norms2 && i == j) job.norms2[i] += sum;
        if (!job.gram) continue;
        job.gram[int64_t(i) * job.samples + j] += sum;
        if (i != j) job.gram[int64_t(j) * job.samples + i] += sum;
      }
    }
}

}  // namespace gradfold::cuda
