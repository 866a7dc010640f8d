// Random projections: matrices of random signs, and the sums of outer products that project a per-sample gradient.
#include <string.h>

#include "cpu_device.h"
#include "integers.h"
#include "philox.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Signs of one block of the generator, a bit each, and of the blocks computed together.
constexpr int64_t kWordBits = 32, kBlockSigns = 4 * kWordBits, kChunk = kPhiloxBlocks * kBlockSigns;

/// Entries [chunk · kChunk, (chunk + 1) · kChunk) of the stream: +1 for a 0 bit, −1 for a 1 bit, lowest bit first.
void chunk_of_signs(uint64_t seed, uint64_t stream, int64_t chunk, float* signs) {
  PhiloxBlocks blocks;
  for (int64_t b = 0; b < kPhiloxBlocks; ++b) {
    const uint64_t counter = uint64_t(chunk * kPhiloxBlocks + b);
    blocks.words[0][b] = uint32_t(counter);
    blocks.words[1][b] = uint32_t(counter >> 32);
    blocks.words[2][b] = uint32_t(stream);
    blocks.words[3][b] = uint32_t(stream >> 32);
  }
  philox4x32(blocks, uint32_t(seed), uint32_t(seed >> 32));
  for (int64_t b = 0; b < kPhiloxBlocks; ++b)
    for (int64_t w = 0; w < 4; ++w) {
      const uint32_t word = blocks.words[w][b];
      uint32_t bits[kWordBits];
      // The bit becomes the sign of 1.0.
#pragma omp simd
      for (uint32_t j = 0; j < kWordBits; ++j) bits[j] = 0x3f800000u | (word << (31 - j) & 0x80000000u);
      memcpy(signs + b * kBlockSigns + w * kWordBits, bits, sizeof bits);
    }
}

/// Entries [first, end) of a matrix counted row by row.
void put_entries(const Mat& out, int64_t first, int64_t end, const float* values) {
  for (int64_t at = first; at < end;) {
    const int64_t r = at / out.cols, c = at % out.cols, count = least(out.cols - c, end - at);
    memcpy(out.data + r * out.stride + c, values + (at - first), static_cast<size_t>(count) * sizeof(float));
    at += count;
  }
}

/// A tile of the outer products of one sample, small enough for the stack and the first-level cache.
constexpr int64_t kLeft = 4, kRight = 64;
/// Tokens that are summed in float32 before float64 takes over.
constexpr int64_t kShortRun = 16;

/// Products below which a parallel region costs more than it saves.
constexpr int64_t kWorthwhile = 131072;

struct Tile {
  int64_t left, lefts, right, rights;  // first column and columns of a, of b
};

/// out [lefts × rights, rows `stride` apart] += scale Σ a_t ⊗ b_t over the tokens [begin, end)
void add_outer_tile(const ConstMat& a, const ConstMat& b, double scale, int64_t begin, int64_t end, const Tile& tile,
                    float* out, int64_t stride) {
  double sum[kLeft][kRight] = {};
  for (int64_t start = begin; start < end; start += kShortRun) {
    const int64_t stop = least(start + kShortRun, end);
    float run[kLeft][kRight] = {};
    for (int64_t t = start; t < stop; ++t) {
      const float *left = a.data + t * a.stride + tile.left, *right = b.data + t * b.stride + tile.right;
      for (int64_t p = 0; p < tile.lefts; ++p) {
#pragma omp simd
        for (int64_t q = 0; q < tile.rights; ++q) run[p][q] += left[p] * right[q];
      }
    }
    for (int64_t p = 0; p < tile.lefts; ++p) {
#pragma omp simd
      for (int64_t q = 0; q < tile.rights; ++q) sum[p][q] += run[p][q];
    }
  }
  for (int64_t p = 0; p < tile.lefts; ++p)
    for (int64_t q = 0; q < tile.rights; ++q) out[p * stride + q] += float(scale * sum[p][q]);
}

}  // namespace

void CpuDevice::random_signs(uint64_t seed, uint64_t stream, Mat out) {
  const int64_t entries = out.rows * out.cols;
  if (out.stride == out.cols) out = {out.data, 1, entries, entries};  // one long row is written faster
#pragma omp parallel for schedule(static) num_threads(threads_) if (entries > kChunk)
  for (int64_t chunk = 0; chunk < ceil_div(entries, kChunk); ++chunk) {
    float signs[kChunk];
    chunk_of_signs(seed, stream, chunk, signs);
    put_entries(out, chunk * kChunk, least((chunk + 1) * kChunk, entries), signs);
  }
}

void CpuDevice::add_sample_outer(ConstMat a, ConstMat b, double scale, int64_t samples, const int32_t* begin,
                                 Mat rows) {
  // Tiles of a sample are tasks of their own, so that one long sample occupies every thread.
  const int64_t lefts = ceil_div(a.cols, kLeft), rights = ceil_div(b.cols, kRight), tiles = lefts * rights;
  const int64_t products = (begin[samples] - begin[0]) * a.cols * b.cols;
#pragma omp parallel for schedule(static, 1) num_threads(threads_) if (products > kWorthwhile)
  for (int64_t task = 0; task < samples * tiles; ++task) {
    const int64_t sample = task / tiles, left = task % tiles / rights * kLeft, right = task % rights * kRight;
    const Tile tile{left, least(kLeft, a.cols - left), right, least(kRight, b.cols - right)};
    float* out = rows.data + sample * rows.stride + left * b.cols + right;
    add_outer_tile(a, b, scale, begin[sample], begin[sample + 1], tile, out, b.cols);
  }
}

}  // namespace gradfold::GRADFOLD_ISA
