// What becomes of one sample's tile of a weight gradient, held in the registers of a block: squares, products with the
// same tile of each v_k, the weighted gradient, the gradient itself. For sample_tiles.cuh and, on the wider tiles of
// warpgroups, wgmma_samples.cuh; `At` tells which numbers a thread holds (Place in tile_product.cuh).
#pragma once

#include "reduce.cuh"
#include "tile_product.cuh"

namespace gradfold::cuda {

/// What blocks that form gradients in tiles work on; null where not wanted.
struct SampleTiles {
  const int32_t* begin;  // [samples + 1] token ranges
  const int32_t* part;   // [parts + 1] the samples of each part
  int outputs, inputs;   // of the weight, or of a panel of it
  int64_t pitch;         // numbers between the rows of gradients and vectors: inputs of the whole weight
  int tiles, across;     // of the panel, and those in a row of them
  bool pairs;            // neighbours in even columns of all that follows can be read together

  int run;               // tokens from which on samples of equal weight are no longer put together
  const float* weights;  // [samples]; null without the two that follow
  float* gradient;       // += the weighted gradient, where there is one part
  float* shares;         // [parts × outputs × inputs] = the weighted gradient of each part, where there are several

  int first;     // sample of the first sums
  double* sums;  // [samples of the launch × values × tiles]
  bool norms;    // the first value is the squared norm
  int values, vectors;
  const float* const* v;  // [vectors]

  float* const* gradients;  // [samples] += g_i
  float* formed;            // [rank of a sample × outputs × inputs] = g_i
  const int32_t* rank;      // [samples]
};

/// Goes through runs of tokens of one part, a panel's depth at a time.
struct TokenWalk {
  int sample;      // the run's first
  int token, end;  // of the run, from the next panel on
  int next, last;  // samples not yet begun

  __device__ __forceinline__ TokenWalk(const SampleTiles& job, int part)
      : sample(0), token(0), end(0), next(job.part[part]), last(job.part[part + 1]) {
    settle(job);
  }
  __device__ __forceinline__ bool more() const { return token < end; }
  /// Moves on by a panel; true where that ended a run.
  __device__ __forceinline__ bool advance(const SampleTiles& job, int depth) {
    token += depth;
    if (token < end) return false;
    settle(job);
    return true;
  }

 private:
  /// Begins the next run that has tokens.
  __device__ __forceinline__ void settle(const SampleTiles& job) {
    const bool merges = job.values == 0 && !job.gradients && !job.formed;
    token = end = 0;
    while (token >= end && next < last) {
      sample = next++;
      token = job.begin[sample];
      end = job.begin[sample + 1];
      if (!merges) continue;
      while (next < last && end - token < job.run &&
             (job.weights[next] == job.weights[sample] || job.begin[next + 1] == end))
        end = job.begin[++next];
    }
  }
};

/// What the warps of a block have left in room[0 … kWarps − 1].
template <int kWarps>
__device__ __forceinline__ double sum_of_warps(SharedArray<double> room) {
  double sum = 0.0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) sum += room[w];
  return sum;
}

/// Numbers i, i + 1 of a row-major matrix of float32.
__device__ __forceinline__ Pack<float, 2> read_pair(const float* at, bool pair, bool second) {
  if (pair && second) return *reinterpret_cast<const Pack<float, 2>*>(at);
  return {{at[0], second ? at[1] : 0.0f}};
}
__device__ __forceinline__ void write_pair(float* at, bool pair, bool second, const Pack<float, 2>& numbers) {
  if (pair && second) {
    *reinterpret_cast<Pack<float, 2>*>(at) = numbers;
    return;
  }
  at[0] = numbers.values[0];
  if (second) at[1] = numbers.values[1];
}

/// Calls visit(i, offset in a matrix of rows `pitch` apart, whether number i + 1 lies in it too) for the pairs that lie
/// within the panel.
template <class At, class Visit>
__device__ __forceinline__ void for_each_pair(const SampleTiles& job, int row, int col, int64_t pitch, Visit visit) {
#pragma unroll
  for (int i = 0; i < At::kCount; i += 2) {
    const int r = row + At::row(i), c = col + At::col(i);
    if (r < job.outputs && c < job.inputs) visit(i, r * pitch + c, c + 1 < job.inputs);
    if (i % 16 == 14) __syncwarp();  // keeps the compiler from loading everything before anything is used
  }
}

/// Squared norm and dots of one sample's tile, by all threads of the block. `room` [values × warps] must not be in use
/// since the last barrier.
template <class At>
__device__ __forceinline__ void reduce_tile(const SampleTiles& job, const HeldNumbers<At::kCount>& held, int sample,
                                            int tile, int row, int col, SharedArray<double> room) {
  constexpr int kThreads = At::kThreads, kWarps = kThreads / kWarp;
  const int thread = int(threadIdx.x), warp = thread / kWarp;
  for (int value = 0; value < job.values; ++value) {
    double sum = 0.0;
    float piece = 0.0f;  // of at most 16 numbers
    if (job.norms && value == 0) {
#pragma unroll
      for (int i = 0; i < At::kCount; ++i) {
        piece = fmaf(held[i / 4][i % 4], held[i / 4][i % 4], piece);
        if (i % 16 == 15) sum += double(piece), piece = 0.0f;
      }
    } else {
      const float* v = job.v[value - (job.norms ? 1 : 0)];
      for_each_pair<At>(job, row, col, job.pitch, [&](int i, int64_t at, bool second) {
        const Pack<float, 2> other = read_pair(v + at, job.pairs, second);
        piece = fmaf(held[i / 4][i % 4], other.values[0], piece);
        piece = fmaf(held[i / 4][i % 4 + 1], other.values[1], piece);
        if (i % 16 == 14) sum += double(piece), piece = 0.0f;
      });
      sum += double(piece);
    }
    sum = warp_sum(sum);
    if (thread % kWarp == 0) room[value * kWarps + warp] = sum;
  }
  __syncthreads();
  for (int value = thread; value < job.values; value += kThreads)
    job.sums[(int64_t(sample - job.first) * job.values + value) * job.tiles + tile] =
        sum_of_warps<kWarps>(room + value * kWarps);
}

/// A weight's array += the tile.
template <class At>
__device__ __forceinline__ void add_to(const SampleTiles& job, float* to, const HeldNumbers<At::kCount>& held, int row,
                                       int col) {
  for_each_pair<At>(job, row, col, job.pitch, [&](int i, int64_t at, bool second) {
    Pack<float, 2> numbers = read_pair(to + at, job.pairs, second);
    numbers.values[0] += held[i / 4][i % 4];
    numbers.values[1] += held[i / 4][i % 4 + 1];
    write_pair(to + at, job.pairs, second, numbers);
  });
}

/// A panel's array = the tile.
template <class At>
__device__ __forceinline__ void copy_to(const SampleTiles& job, float* to, const HeldNumbers<At::kCount>& held, int row,
                                        int col) {
  for_each_pair<At>(job, row, col, job.inputs, [&](int i, int64_t at, bool second) {
    write_pair(to + at, job.pairs, second, {{held[i / 4][i % 4], held[i / 4][i % 4 + 1]}});
  });
}

}  // namespace gradfold::cuda
