// Per-sample gradients of a weight, g_i = G_iᵀ X_i, formed a tile at a time in registers and reduced before they leave
// them: weight tile outer, sample inner. A block holds one tile of the weight and goes through the samples of its part
// of the batch; panels of the next sample are copied while one sample's tile is still being reduced.
//
// Norms and dots are summed in float64 over a block in a fixed order, written once for every (sample, tile) and summed
// over tiles by a second kernel. The weighted gradient stays in registers until the last sample. Where it alone is
// wanted, neighbouring samples of equal weight are one run of tokens, so that equal weights cost a plain product.
#pragma once

#include "reduce.cuh"
#include "tile_product.cuh"

namespace gradfold::cuda {

/// What the blocks of sample_tiles work on; null where not wanted.
struct SampleTiles {
  const int32_t* begin;  // [samples + 1] token ranges
  const int32_t* part;   // [parts + 1] the samples of each part
  int outputs, inputs;   // of the weight, or of a panel of it
  int64_t pitch;         // numbers between the rows of gradients and vectors: inputs of the whole weight
  int tiles, across;     // of the panel, and those in a row of them
  bool pairs;            // neighbours in even columns of all that follows can be read together

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
      while (next < last && (job.weights[next] == job.weights[sample] || job.begin[next + 1] == end))
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
template <class T, int kTile, class Visit>
__device__ __forceinline__ void for_each_pair(const SampleTiles& job, int row, int col, int64_t pitch, Visit visit) {
#pragma unroll
  for (int i = 0; i < kHeld; i += 2) {
    const int r = row + Place<T, kTile>::row(i), c = col + Place<T, kTile>::col(i);
    if (r < job.outputs && c < job.inputs) visit(i, r * pitch + c, c + 1 < job.inputs);
    if (i % 16 == 14) __syncwarp();  // keeps the compiler from loading everything before anything is used
  }
}

/// Squared norm and dots of one sample's tile, by all threads of the block. `room` [values × warps] must not be in use
/// since the last barrier.
template <class T, int kTile>
__device__ __forceinline__ void reduce_tile(const SampleTiles& job, const Held& held, int sample, int tile, int row,
                                            int col, SharedArray<double> room) {
  constexpr int kThreads = kTileThreads<kTile>, kWarps = kThreads / kWarp;
  const int thread = int(threadIdx.x), warp = thread / kWarp;
  for (int value = 0; value < job.values; ++value) {
    double sum = 0.0;
    float piece = 0.0f;  // of at most 16 numbers
    if (job.norms && value == 0) {
#pragma unroll
      for (int i = 0; i < kHeld; ++i) {
        piece = fmaf(held[i / 4][i % 4], held[i / 4][i % 4], piece);
        if (i % 16 == 15) sum += double(piece), piece = 0.0f;
      }
    } else {
      const float* v = job.v[value - (job.norms ? 1 : 0)];
      for_each_pair<T, kTile>(job, row, col, job.pitch, [&](int i, int64_t at, bool second) {
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
template <class T, int kTile>
__device__ __forceinline__ void add_to(const SampleTiles& job, float* to, const Held& held, int row, int col) {
  for_each_pair<T, kTile>(job, row, col, job.pitch, [&](int i, int64_t at, bool second) {
    Pack<float, 2> numbers = read_pair(to + at, job.pairs, second);
    numbers.values[0] += held[i / 4][i % 4];
    numbers.values[1] += held[i / 4][i % 4 + 1];
    write_pair(to + at, job.pairs, second, numbers);
  });
}

/// A panel's array = the tile.
template <class T, int kTile>
__device__ __forceinline__ void copy_to(const SampleTiles& job, float* to, const Held& held, int row, int col) {
  for_each_pair<T, kTile>(job, row, col, job.inputs, [&](int i, int64_t at, bool second) {
    write_pair(to + at, job.pairs, second, {{held[i / 4][i % 4], held[i / 4][i % 4 + 1]}});
  });
}

/// Shared memory of a block.
template <class T, int kTile>
inline size_t sample_tiles_shared(int values) {
  return size_t(Stages<T, false, false, kTile>::kBytes) + size_t(values) * (kTileThreads<kTile> / 32) * sizeof(double);
}

/// g: outputs are outer, tokens inner; x: inputs are outer. Grid: tiles × parts.
template <class T, int kTile>
__global__ void __launch_bounds__(kTileThreads<kTile>) sample_tiles(Operand<T> g, Operand<T> x, SampleTiles job) {
  using S = Stages<T, false, false, kTile>;
  GRADFOLD_DYNAMIC_SHARED(shared);
  const S stages{shared};
  const SharedArray<double> room =
      shared_part<double>(shared, S::kBytes, int64_t(job.values) * (kTileThreads<kTile> / kWarp));
  const int tile = int(blockIdx.x), row = tile / job.across * kTile, col = tile % job.across * kTile;
  const int part = int(blockIdx.y);
  Held held, total;
  clear(held);
  clear(total);

  TokenWalk coming(job, part), walk = coming;
  for (int stage = 0; stage < S::kStages - 1; ++stage) {
    if (coming.more()) {
      stages.load(stage, g, x, row, col, coming.token, coming.end);
      coming.advance(job, S::kDepth);
    }
    cp_async_commit();
  }
  for (int step = 0; walk.more(); ++step) {
    cp_async_wait<S::kStages - 2>();
    __syncthreads();  // the panels of this step have come; those of the step before have been read
    if (coming.more()) {
      stages.load((step + S::kStages - 1) % S::kStages, g, x, row, col, coming.token, coming.end);
      coming.advance(job, S::kDepth);
    }
    cp_async_commit();
    stages.multiply(step % S::kStages, held);

    const int sample = walk.sample;
    if (!walk.advance(job, S::kDepth)) continue;
    if (job.values > 0) reduce_tile<T, kTile>(job, held, sample, tile, row, col, room);
    if (job.gradients) add_to<T, kTile>(job, job.gradients[sample], held, row, col);
    if (job.formed)
      copy_to<T, kTile>(job, job.formed + int64_t(job.rank[sample]) * job.outputs * job.inputs, held, row, col);
    if (job.weights) {
      const float weight = job.weights[sample];
#pragma unroll
      for (int i = 0; i < kHeld; ++i) total[i / 4][i % 4] = fmaf(weight, held[i / 4][i % 4], total[i / 4][i % 4]);
    }
    clear(held);
  }
  if (job.gradient) add_to<T, kTile>(job, job.gradient, total, row, col);
  if (job.shares) copy_to<T, kTile>(job, job.shares + int64_t(part) * job.outputs * job.inputs, total, row, col);
}

/// Threads of the kernels that sum what blocks have left.
inline constexpr int kSumThreads = 128;

/// norms2[i] and dots[k × samples + i] += the sums over tiles. Grid: samples of the launch × values.
static __global__ void __launch_bounds__(kSumThreads)
    sum_over_tiles(SampleTiles job, int samples, double* norms2, double* dots) {
  GRADFOLD_SHARED(double, room, kSumThreads / kWarp);
  const int sample = job.first + int(blockIdx.x), value = int(blockIdx.y), thread = int(threadIdx.x);
  if (job.begin[sample] == job.begin[sample + 1]) return;  // nothing was written for it
  const double* sums = job.sums + (int64_t(blockIdx.x) * job.values + value) * job.tiles;
  double sum = 0.0;
  for (int tile = thread; tile < job.tiles; tile += kSumThreads) sum += sums[tile];
  sum = warp_sum(sum);
  if (thread % kWarp == 0) room[thread / kWarp] = sum;
  __syncthreads();
  if (thread != 0) return;
  const double total = sum_of_warps<kSumThreads / kWarp>(room);
  if (job.norms && value == 0)
    norms2[sample] += total;
  else
    dots[int64_t(value - (job.norms ? 1 : 0)) * samples + sample] += total;
}

/// gradient += the shares of all parts.
static __global__ void __launch_bounds__(kSumThreads)
    sum_over_parts(const float* shares, int parts, int outputs, int inputs, int64_t pitch, float* gradient) {
  const int64_t count = int64_t(outputs) * inputs, i = int64_t(blockIdx.x) * kSumThreads + int(threadIdx.x);
  if (i >= count) return;
  float sum = 0.0f;
  for (int part = 0; part < parts; ++part) sum += shares[part * count + i];
  gradient[i / inputs * pitch + i % inputs] += sum;
}

}  // namespace gradfold::cuda
