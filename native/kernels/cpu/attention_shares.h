// The division of the attention backward passes among threads.
//
// Key and value gradients sum over all queries of a segment and over the query heads of a group, so one share of the
// work is a whole (segment, key head) pair and needs no atomic operations. Where the pairs are fewer than the threads,
// a pair is cut into parts: each takes every parts-th query block into partial sums of its own, and the partial sums
// are added in the order of the parts. Equal shapes and thread counts give equal bits either way.
#pragma once

#include "attention.h"

namespace gradfold::GRADFOLD_ISA {

/// How a shape's (segment, key head) pairs are divided.
struct ShareDivision {
  int64_t pairs, parts;  // parts > 1 only with pairs · parts ≤ threads

  ShareDivision(const AttentionShape& shape, int64_t threads)
      : pairs(shape.segments * shape.kv_heads), parts(pairs > 0 && threads / pairs > 1 ? threads / pairs : 1) {}

  /// Floats of one partial sum in scratch memory.
  int64_t partial_floats(const AttentionShape& shape) const {
    return parts > 1 ? round_to_cache_line(shape.longest * shape.head_dim) : 0;
  }
};

/// One part of one (segment, key head) pair.
struct Share {
  int64_t index;  // pair · parts + part
  int64_t segment, kv_head, part, parts;
};

/// Calls work(Share) for the shares that fall to one thread of a team.
template <class Work>
static inline void for_each_share(const AttentionShape& shape, const ShareDivision& division, int64_t thread,
                                  int64_t team, Work work) {
  for (int64_t index = thread; index < division.pairs * division.parts; index += team) {
    const int64_t pair = index / division.parts;
    work(Share{index, pair / shape.kv_heads, pair % shape.kv_heads, index % division.parts, division.parts});
  }
}

/// Calls work(QueryBlock) for a share's query blocks, over all heads of its group.
template <class Work>
static inline void for_each_query_block(const AttentionShape& shape, const Share& share, Work work) {
  const int64_t group = shape.heads / shape.kv_heads;
  const int64_t blocks = query_blocks(shape.begin[share.segment + 1] - shape.begin[share.segment]);
  for (int64_t i = share.part; i < group * blocks; i += share.parts)
    work(query_block(shape, share.segment, share.kv_head * group + i / blocks, i % blocks));
}

/// Where a share sums one of its gradients, zeroed: the columns from `column` of its segment in dqkv, or, where the
/// pair is cut into parts, a partial sum in scratch memory. Rows are the segment's tokens.
static inline Mat share_sum(const AttentionShape& shape, const Share& share, Mat dqkv, int64_t column, float* partial) {
  const int64_t begin = shape.begin[share.segment], length = shape.begin[share.segment + 1] - begin;
  const Mat sum = share.parts > 1 ? Mat{partial, length, shape.head_dim, shape.head_dim}
                                  : view(dqkv, begin, length, column, shape.head_dim);
  for (int64_t t = 0; t < length; ++t)
    for (int64_t j = 0; j < shape.head_dim; ++j) sum.data[t * sum.stride + j] = 0.0f;
  return sum;
}

/// The rows of a share's sum that belong to the keys a block sees.
static inline Mat block_sum(const QueryBlock& b, Mat sum) {
  return view(sum, b.keys.begin, b.key_count(), 0, sum.cols);
}

/// Adds the partial sums of cut pairs into dqkv; column(kv_head) is the gradient's first column there, partial(index)
/// the share's partial sum. Called by all threads of a team, between barriers.
template <class Column, class Partial>
static inline void add_partial_sums(const AttentionShape& shape, const ShareDivision& division, Mat dqkv, Column column,
                                    Partial partial) {
  for (int64_t pair = 0; pair < division.pairs; ++pair) {
    const int64_t begin = shape.begin[pair / shape.kv_heads], end = shape.begin[pair / shape.kv_heads + 1];
    const Mat out = view(dqkv, begin, end - begin, column(shape, pair % shape.kv_heads), shape.head_dim);
#pragma omp for schedule(static) nowait
    for (int64_t t = 0; t < out.rows; ++t) {
      float* row = out.data + t * out.stride;
      for (int64_t part = 0; part < division.parts; ++part) {
        const float* term = partial(pair * division.parts + part) + t * shape.head_dim;
#pragma omp simd
        for (int64_t j = 0; j < out.cols; ++j) row[j] = part == 0 ? term[j] : row[j] + term[j];
      }
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
