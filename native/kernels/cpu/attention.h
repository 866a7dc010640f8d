// What the four attention passes share: views of a head's slice of the token matrices, the keys that a block of queries
// sees, and the division of the work among threads.
//
// Every pass works on strips: the scores of at most kQueryBlock queries of one head against the keys that any of them
// sees. Causal, windowed and bidirectional attention differ only in how long a strip is and in which part of each of
// its rows is visible; the rest of a row is zero.
#pragma once

#include "cpu_device.h"
#include "vector_math.h"

namespace gradfold::GRADFOLD_ISA {

static constexpr int64_t kQueryBlock = 64;

/// A half-open range of tokens, counted within a segment or within a strip.
struct Range {
  int64_t begin, end;
};

/// A block of queries of one head in one segment, and the keys that any of them sees.
struct QueryBlock {
  int64_t segment;  // the segment's first token
  int64_t head;
  Range queries, keys;  // within the segment

  int64_t rows() const { return queries.end - queries.begin; }
  int64_t key_count() const { return keys.end - keys.begin; }
};

// ---- views ----------------------------------------------------------------------------------------------------------

/// Rows [row, row + rows) and columns [column, column + columns) of a Mat or ConstMat.
template <class Matrix>
static inline Matrix view(Matrix m, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  return Matrix{m.data + row * m.stride + column, rows, columns, m.stride};
}

/// A block's rows of one head of x, which holds heads side by side: queries in qkv, or attention outputs.
template <class Matrix>
static inline Matrix query_rows(const AttentionShape& shape, const QueryBlock& b, Matrix x) {
  return view(x, b.segment + b.queries.begin, b.rows(), b.head * shape.head_dim, shape.head_dim);
}

static inline int64_t key_column(const AttentionShape& shape, int64_t kv_head) {
  return (shape.heads + kv_head) * shape.head_dim;
}

static inline int64_t value_column(const AttentionShape& shape, int64_t kv_head) {
  return (shape.heads + shape.kv_heads + kv_head) * shape.head_dim;
}

/// The keys that a block sees.
static inline ConstMat key_rows(const AttentionShape& shape, const QueryBlock& b, ConstMat qkv) {
  const int64_t kv_head = b.head / (shape.heads / shape.kv_heads);
  return view(qkv, b.segment + b.keys.begin, b.key_count(), key_column(shape, kv_head), shape.head_dim);
}

/// The values that a block sees.
static inline ConstMat value_rows(const AttentionShape& shape, const QueryBlock& b, ConstMat qkv) {
  const int64_t kv_head = b.head / (shape.heads / shape.kv_heads);
  return view(qkv, b.segment + b.keys.begin, b.key_count(), value_column(shape, kv_head), shape.head_dim);
}

// ---- strips ---------------------------------------------------------------------------------------------------------

static inline int64_t round_to_cache_line(int64_t floats) { return (floats + 15) / 16 * 16; }

/// Floats that the longest strip of a shape takes.
static inline int64_t strip_floats(const AttentionShape& shape) {
  return kQueryBlock * round_to_cache_line(shape.longest);
}

/// A block's strip in scratch memory.
static inline Mat strip_of(const QueryBlock& b, float* memory) {
  return {memory, b.rows(), b.key_count(), round_to_cache_line(b.key_count())};
}

/// The keys of a segment of `length` tokens that query t sees.
static inline Range visible_keys(const AttentionShape& shape, int64_t length, int64_t t) {
  return {shape.window > 0 && t >= shape.window ? t - shape.window + 1 : 0, shape.causal ? t + 1 : length};
}

/// The part of a strip's row that is visible to its query.
static inline Range visible_part(const AttentionShape& shape, const QueryBlock& b, int64_t row) {
  // A bidirectional block sees up to the segment's end, which is b.keys.end.
  const Range keys = visible_keys(shape, b.keys.end, b.queries.begin + row);
  return {keys.begin - b.keys.begin, keys.end - b.keys.begin};
}

/// Zeros a strip's row outside its visible part.
static inline void clear_hidden(const Mat& strip, int64_t row, Range visible) {
  float* x = strip.data + row * strip.stride;
  for (int64_t j = 0; j < visible.begin; ++j) x[j] = 0.0f;
  for (int64_t j = visible.end; j < strip.cols; ++j) x[j] = 0.0f;
}

// ---- products -------------------------------------------------------------------------------------------------------

/// c = op(a) op(b) + beta c on the calling thread. Blocks of a few short rows, as packed rows of short documents give,
/// are done in place, where a library product's set-up would cost more than its arithmetic.
static inline void multiply(Product product, ConstMat a, bool transpose_a, ConstMat b, bool transpose_b, Mat c,
                            float beta) {
  const int64_t inner = transpose_a ? a.rows : a.cols;
  const bool small = c.rows * c.cols * inner <= 4096;
  if (!small || (transpose_a && transpose_b)) return product(a, transpose_a, b, transpose_b, c, beta);
  const int64_t row_step = transpose_a ? 1 : a.stride, inner_step = transpose_a ? a.stride : 1;
  for (int64_t i = 0; i < c.rows; ++i) {
    const float* left = a.data + i * row_step;
    float* out = c.data + i * c.stride;
    if (transpose_b) {
      for (int64_t j = 0; j < c.cols; ++j) {
        const float* right = b.data + j * b.stride;
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < inner; ++k) sum += left[k] * right[k];
        out[j] = beta == 0.0f ? sum : sum + out[j];
      }
      continue;
    }
    if (beta == 0.0f)
      for (int64_t j = 0; j < c.cols; ++j) out[j] = 0.0f;
    for (int64_t k = 0; k < inner; ++k) {
      const float factor = left[k * inner_step];
      const float* right = b.data + k * b.stride;
#pragma omp simd
      for (int64_t j = 0; j < c.cols; ++j) out[j] += factor * right[j];
    }
  }
}

// ---- division of the work -------------------------------------------------------------------------------------------

static inline int64_t query_blocks(int64_t length) { return (length + kQueryBlock - 1) / kQueryBlock; }

static inline QueryBlock query_block(const AttentionShape& shape, int64_t segment, int64_t head, int64_t block) {
  const int64_t begin = shape.begin[segment], length = shape.begin[segment + 1] - begin;
  const int64_t first = block * kQueryBlock, end = first + kQueryBlock < length ? first + kQueryBlock : length;
  return {
      begin, head, {first, end}, {visible_keys(shape, length, first).begin, visible_keys(shape, length, end - 1).end}};
}

/// Calls work(QueryBlock) for the blocks of all heads and segments that fall to one thread of a team, dealt out in turn
/// because the later blocks of a causal segment see more keys.
template <class Work>
static inline void for_each_query_block(const AttentionShape& shape, int64_t thread, int64_t team, Work work) {
  int64_t index = 0;
  for (int64_t segment = 0; segment < shape.segments; ++segment) {
    const int64_t blocks = query_blocks(shape.begin[segment + 1] - shape.begin[segment]);
    for (int64_t head = 0; head < shape.heads; ++head)
      for (int64_t block = 0; block < blocks; ++block)
        if (index++ % team == thread) work(query_block(shape, segment, head, block));
  }
}

}  // namespace gradfold::GRADFOLD_ISA
