// How tokens divide into samples, and sums over a sample's tokens that many blocks take part in.
//
// Tokens are cut into chunks of equal length wherever samples begin and end, one block each. A block's share of one
// sample is a piece: chunk k and sample i have piece k + i, a number of their own, since the next piece is of the next
// chunk or of a later sample or both. Pieces are then added in their order.
#pragma once

#include "elementwise.cuh"

namespace gradfold::cuda {

/// The first sample that ends after a token; `samples` where none does.
__device__ inline int64_t sample_of(const int32_t* begin, int64_t samples, int64_t token) {
  int64_t low = 0, high = samples;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (begin[middle + 1] <= token)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/// The samples of a batch; begin null: one of all tokens.
struct Samples {
  int64_t tokens;
  int64_t count;
  const int32_t* begin;  // [count + 1] on the device

  __device__ int64_t first(int64_t i) const { return begin != nullptr ? begin[i] : 0; }
  __device__ int64_t end(int64_t i) const { return begin != nullptr ? begin[i + 1] : tokens; }
  __device__ int64_t of(int64_t token) const { return begin != nullptr ? sample_of(begin, count, token) : 0; }
};

/// Calls open(), token(t) for each token and close(piece) for every piece of a chunk.
template <class Open, class Token, class Close>
__device__ __forceinline__ void walk_pieces(const Samples& samples, int64_t chunk, int64_t length, Open open,
                                            Token token, Close close) {
  const int64_t last = least((chunk + 1) * length, samples.tokens);
  int64_t t = chunk * length;
  for (int64_t i = samples.of(t); i < samples.count && t < last; ++i) {
    t = most(t, samples.first(i));
    const int64_t stop = least(last, samples.end(i));
    if (t >= stop) continue;
    open();
    for (; t < stop; ++t) token(t);
    close(chunk + i);
  }
}

/// rows[i] = (or +=) Σ of sample i's pieces of the chunks [first, first + chunks), divided by the sample's number of
/// tokens where `mean` says so. Piece p of all chunks is the (p − first)-th of `pieces`.
template <class Number>
struct AddPieces {
  Samples samples;
  int64_t length;  // of a chunk
  int64_t first, chunks;
  const Number* pieces;
  View<float> rows;
  bool mean, accumulate;

  /// Column c of every so manieth piece of sample i, from number `turn` on.
  __device__ double sum(int64_t i, int64_t c, int64_t turn, int64_t turns) const {
    const int64_t begin = samples.first(i), end = samples.end(i);
    double sum = 0.0;
    if (begin == end) return sum;
    const int64_t last = least((end - 1) / length, first + chunks - 1);
    for (int64_t chunk = most(begin / length, first) + turn; chunk <= last; chunk += turns)
      sum += pieces[(chunk - first + i) * rows.cols + c];
    return sum;
  }

  __device__ void put(int64_t i, int64_t c, double sum) const {
    const int64_t tokens = samples.end(i) - samples.first(i);
    if (mean && tokens > 0) sum /= double(tokens);
    float* out = rows.row(i) + c;
    *out = accumulate ? *out + float(sum) : float(sum);
  }
};

constexpr int kPieceThreads = 256;

/// A block takes as many columns of a sample as it is wide; the rows of its threads take turns at the pieces.
template <class Number>
__global__ void __launch_bounds__(kPieceThreads) add_pieces_kernel(AddPieces<Number> add) {
  GRADFOLD_SHARED(double, parts, kPieceThreads);
  const int column = int(threadIdx.x), turn = int(threadIdx.y), width = int(blockDim.x), turns = int(blockDim.y);
  const int64_t c = int64_t(blockIdx.x) * width + column;
  for (int64_t i = blockIdx.y; i < add.samples.count; i += gridDim.y) {
    double sum = c < add.rows.cols ? add.sum(i, c, turn, turns) : 0.0;
    parts[turn * width + column] = sum;
    __syncthreads();
    if (turn == 0 && c < add.rows.cols) {
      for (int other = 1; other < turns; ++other) sum += parts[other * width + column];
      add.put(i, c, sum);
    }
    __syncthreads();  // nobody still reads the parts
  }
}

}  // namespace gradfold::cuda
