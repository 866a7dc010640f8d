// Per-sample gradients formed by the device's product, without ever holding one: weight tile outer, sample inner.
//
// For a tile of the weight and each sample the tile of G_iᵀ X_i is formed in scratch and reduced while it is hot, so
// the weighted gradient and the vectors v_k cross memory once a batch and the arithmetic is that of a plain backward
// pass. One tile belongs to one thread; norms and dots are float64 over short float32 blocks.
#include <omp.h>

#include "integers.h"
#include "sample_forms.h"
#include "statistics.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Bytes that a tile and what it meets (its part of the gradient and of every v_k) may take of the second-level cache.
constexpr int64_t kTileBytes = 1 << 20;
/// Bytes a thread may take for the tiles that the Gram matrix needs side by side.
constexpr int64_t kGramBytes = 8 << 20;
/// Products on fewer rows or columns waste the product's own register tile; on more rows they gain nothing.
constexpr int64_t kLeastRows = 16, kUsualRows = 64, kMostRows = 256, kLeastCols = 64;

/// The weight [O × I] cut into down × across tiles of rows × cols, the last ones possibly smaller.
struct Tiling {
  int64_t rows, cols, down, across;

  /// Numbers between the tiles of two samples: an odd number of cache lines, so that equal places of them do not share
  /// a cache set.
  int64_t tile_numbers() const { return (ceil_div(rows * cols, 16) | 1) * 16; }
};

/// Tiles of about `numbers`, wide before high: every tile's product packs its columns of X and its rows of G anew, and
/// there are more columns than rows as a rule.
Tiling cut_weight(int64_t outputs, int64_t inputs, int64_t numbers, int64_t threads) {
  int64_t high = least(numbers / inputs, kMostRows);
  if (high < kUsualRows) high = numbers < kUsualRows * kLeastCols ? kLeastRows : kUsualRows;
  const int64_t wide = numbers / high < kLeastCols ? kLeastCols : numbers / high;
  Tiling tiling{};
  tiling.cols = ceil_div(inputs, ceil_div(inputs, wide));
  tiling.across = ceil_div(inputs, tiling.cols);
  // As many tiles for every thread, unless that makes them too low.
  const int64_t turns = ceil_div(ceil_div(outputs, high) * tiling.across, threads);
  tiling.rows = ceil_div(outputs, least(ceil_div(turns * threads, tiling.across), ceil_div(outputs, kLeastRows)));
  tiling.down = ceil_div(outputs, tiling.rows);
  return tiling;
}

Tiling tiling_of(const SampleJob& job, int threads) {
  const int64_t float_bytes = sizeof(float);
  const int64_t streams = 1 + (job.t.gradient != nullptr) + (job.s.dots != nullptr ? job.s.vectors : 0);
  int64_t numbers = kTileBytes / float_bytes / streams;
  if (job.s.gram != nullptr) numbers = least(numbers, kGramBytes / float_bytes / job.s.samples);
  return cut_weight(job.outputs(), job.inputs(), numbers, threads);
}

size_t ids_bytes(const SampleJob& job) { return (static_cast<size_t>(job.s.samples) * sizeof(int32_t) + 63) / 64 * 64; }

/// Bytes that the tiles themselves take.
size_t tiles_bytes(const SampleJob& job, const Tiling& tiling) {
  return static_cast<size_t>(tiling.tile_numbers() * (job.s.gram != nullptr ? job.s.samples : 1)) * sizeof(float);
}

}  // namespace

size_t tile_form_bytes(const SampleJob& job, int threads) {
  const Tiling tiling = tiling_of(job, threads);
  return partial_bytes(job.s) + ids_bytes(job) + tiles_bytes(job, tiling) +
         static_cast<size_t>(multiply_numbers(tiling.rows + tiling.cols)) * sizeof(float);
}

void run_tile_form(const SampleJob& job, const SampleTeam& team) {
  const SampleStatistics& s = job.s;
  const WeightTarget& t = job.t;
  const int64_t outputs = job.outputs(), inputs = job.inputs();
  const bool gram = s.gram != nullptr;
  const Tiling tiling = tiling_of(job, team.threads);
  const int64_t tile_numbers = tiling.tile_numbers();
  const size_t ids_at = partial_bytes(s), tiles_at = ids_at + ids_bytes(job);
  const size_t operands_at = tiles_at + tiles_bytes(job, tiling);
  for (int thread = 0; thread < team.threads; ++thread) zero_partial(team.scratch[thread], s);

#pragma omp parallel num_threads(team.threads)
  {
    char* memory = static_cast<char*>(team.scratch[omp_get_thread_num()]);
    const PartialSums sums = partial_at(memory, s);
    int32_t* ids = reinterpret_cast<int32_t*>(memory + ids_at);
    float* tiles = reinterpret_cast<float*>(memory + tiles_at);
    float* operands = reinterpret_cast<float*>(memory + operands_at);
    int64_t present = 0;  // samples that have tokens
    for (int32_t i = 0; i < s.samples; ++i)
      if (job.tokens(i) > 0) ids[present++] = i;

#pragma omp for schedule(static)
    for (int64_t u = 0; u < tiling.down * tiling.across; ++u) {
      const int64_t row = u / tiling.across * tiling.rows, rows = least(tiling.rows, outputs - row);
      const int64_t col = u % tiling.across * tiling.cols, cols = least(tiling.cols, inputs - col);
      for (int64_t a = 0; a < present; ++a) {
        const int64_t i = ids[a];
        float* tile = tiles + (gram ? a * tile_numbers : 0);
        multiply(team.product, block(job.g, s.begin[i], job.tokens(i), row, rows), true,
                 block(job.x, s.begin[i], job.tokens(i), col, cols), false, {tile, rows, cols, cols}, operands);
        if (cols == inputs)
          add_piece(s, t, i, tile, row * inputs, rows * cols, sums);
        else
          for (int64_t r = 0; r < rows; ++r) add_piece(s, t, i, tile + r * cols, (row + r) * inputs + col, cols, sums);
      }
      if (gram) add_gram(tiles, tile_numbers, ids, present, rows * cols, s.samples, sums.gram);
    }
  }
  for (int thread = 0; thread < team.threads; ++thread) add_partial(s, partial_at(team.scratch[thread], s));
}

}  // namespace gradfold::GRADFOLD_ISA
