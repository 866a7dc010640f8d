// Per-sample statistics of a weight gradient, g_i = G_iᵀ X_i, without ever holding one: weight tile outer, sample
// inner.
//
// For a tile of the weight and each sample the tile of G_iᵀ X_i is formed in scratch and reduced while it is hot, so
// the weighted gradient and the vectors v_k cross memory once a batch and the arithmetic is that of a plain backward
// pass. One tile belongs to one thread; norms and dots are float64 over short float32 blocks.
#include <omp.h>

#include "cpu_device.h"
#include "integers.h"
#include "statistics.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Numbers of a tile: its product and its share of the gradient stay together in a cache of 2 MiB.
constexpr int64_t kTileNumbers = 3 << 16;
/// Bytes a thread may take for the tiles that the Gram matrix needs side by side.
constexpr int64_t kGramBytes = 8 << 20;
/// Products on fewer rows or columns waste the register tile; on more rows they gain nothing.
constexpr int64_t kLeastRows = 16, kMostRows = 256, kLeastCols = 64;

/// The weight [O × I] cut into down × across tiles of rows × cols, the last ones possibly smaller.
struct Tiling {
  int64_t rows, cols, down, across;
};

/// Tiles of about `numbers`: high before wide, since every tile's product packs its columns of X anew.
Tiling cut_weight(int64_t outputs, int64_t inputs, int64_t numbers, int64_t threads) {
  int64_t high = kMostRows;
  while (high > kLeastRows && high * high > numbers) high /= 2;
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

ConstMat block(const ConstMat& m, int64_t row, int64_t rows, int64_t col, int64_t cols) {
  return {m.data + row * m.stride + col, rows, cols, m.stride};
}

}  // namespace

void CpuDevice::sample_products(ConstAnyMat g_, ConstAnyMat x_, const SampleStatistics& s, const WeightTarget& t) {
  const ConstMat g = f32(g_);
  const ConstMat x = f32(x_);
  omp_set_num_threads(threads_);  // products take their team from the calling thread
  const int64_t outputs = g.cols, inputs = x.cols;
  if (s.samples == 0 || outputs == 0 || inputs == 0) return;
  if (!wants_samples(s, t)) {
    if (t.gradient != nullptr) add_weighted_product(g, x, s, t.gradient);
    return;
  }

  const bool gram = s.gram != nullptr;
  const int64_t gram_numbers = kGramBytes / static_cast<int64_t>(sizeof(float)) / s.samples;
  const Tiling tiling = cut_weight(outputs, inputs, gram ? least(kTileNumbers, gram_numbers) : kTileNumbers, threads_);
  // An odd number of cache lines apart, so that equal places of the samples' tiles do not share a cache set.
  const int64_t tile_numbers = (ceil_div(tiling.rows * tiling.cols, 16) | 1) * 16;
  const size_t sums_bytes = partial_bytes(s);
  const size_t ids_bytes = (static_cast<size_t>(s.samples) * sizeof(int32_t) + 63) / 64 * 64;
  const size_t tiles_bytes = static_cast<size_t>(tile_numbers * (gram ? s.samples : 1)) * sizeof(float);
  for (int thread = 0; thread < threads_; ++thread)
    zero_partial(scratch(thread, sums_bytes + ids_bytes + tiles_bytes), s);

#pragma omp parallel num_threads(threads_)
  {
    char* memory = static_cast<char*>(scratch(omp_get_thread_num(), 0));
    const PartialSums sums = partial_at(memory, s);
    int32_t* ids = reinterpret_cast<int32_t*>(memory + sums_bytes);
    float* tiles = reinterpret_cast<float*>(memory + sums_bytes + ids_bytes);
    int64_t present = 0;  // samples that have tokens
    for (int32_t i = 0; i < s.samples; ++i)
      if (s.begin[i + 1] > s.begin[i]) ids[present++] = i;

#pragma omp for schedule(static)
    for (int64_t u = 0; u < tiling.down * tiling.across; ++u) {
      const int64_t row = u / tiling.across * tiling.rows, rows = least(tiling.rows, outputs - row);
      const int64_t col = u % tiling.across * tiling.cols, cols = least(tiling.cols, inputs - col);
      for (int64_t a = 0; a < present; ++a) {
        const int64_t i = ids[a], begin = s.begin[i], tokens = s.begin[i + 1] - begin;
        float* tile = tiles + (gram ? a * tile_numbers : 0);
        product_(block(g, begin, tokens, row, rows), true, block(x, begin, tokens, col, cols), false,
                 Mat{tile, rows, cols, cols}, 0.0f);
        if (cols == inputs)
          add_piece(s, t, i, tile, row * inputs, rows * cols, sums);
        else
          for (int64_t r = 0; r < rows; ++r) add_piece(s, t, i, tile + r * cols, (row + r) * inputs + col, cols, sums);
      }
      if (gram) add_gram(tiles, tile_numbers, ids, present, rows * cols, s.samples, sums.gram);
    }
  }
  for (int thread = 0; thread < threads_; ++thread) add_partial(s, partial_at(scratch(thread, 0), s));
}

}  // namespace gradfold::GRADFOLD_ISA
