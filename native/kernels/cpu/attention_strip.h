// A strip of scores in scratch memory, and which part of its rows loops over whole vectors take.
#pragma once

#include "attention_scratch.h"
#include "simd.h"

namespace gradfold::GRADFOLD_ISA {

/// kQueryBlock rows of scores, columns counted from the tile's first key.
struct Strip {
  float* data;
  int64_t stride;

  float* row(int64_t r) const { return data + r * stride; }
};

/// A strip for tiles of `keys` keys.
static inline Strip take_strip(int64_t keys, Scratch& scratch) {
  // A cache line more than the keys: columns of the strip then spread over the sets of the first-level cache.
  const int64_t stride = round_up(keys, 16) + 16;
  return {scratch.take<float>(kQueryBlock * stride), stride};
}

/// The vectors of a strip's row that hold its visible part.
struct RowVectors {
  int64_t begin, count;  // begin in numbers, count in vectors

  explicit RowVectors(Range visible)
      : begin(visible.begin / kLanes * kLanes),
        count(visible.size() > 0 ? ceil_div(visible.end, kLanes) - visible.begin / kLanes : 0) {}

  int64_t end() const { return begin + count * kLanes; }
};

/// The same where a product has filled the strip: scores in the vectors that the query does not see become −∞, so that
/// loops over whole vectors make zero probabilities of them.
static inline RowVectors hide(Strip scores, int64_t row, Range visible) {
  const RowVectors vectors(visible);
  float* x = scores.row(row);
  for (int64_t j = vectors.begin; vectors.count > 0 && j < visible.begin; ++j) x[j] = -__builtin_inff();
  for (int64_t j = visible.end; j < vectors.end(); ++j) x[j] = -__builtin_inff();
  return vectors;
}

/// Zeros what stands beside a row's vectors in [begin, end).
static inline void clear_beside(Strip strip, int64_t row, const RowVectors& vectors, int64_t begin, int64_t end) {
  float* x = strip.row(row);
  for (int64_t j = begin; j < vectors.begin; ++j) x[j] = 0.0f;
  for (int64_t j = vectors.end(); j < end; ++j) x[j] = 0.0f;
}

/// Which products a strip is an operand of: add_key_product, add_query_product.
enum class Uses { keys, queries, both };

}  // namespace gradfold::GRADFOLD_ISA
