// What the tests of products and of per-sample statistics both compute naively.
#pragma once

#include "layers_support.h"

namespace gradfold::test {

/// aᵀ b over rows begin … end − 1.
inline Dense outer_sum(const Dense& a, const Dense& b, int64_t begin, int64_t end) {
  Dense sum(a.cols, b.cols);
  for (int64_t t = begin; t < end; ++t)
    for (int64_t r = 0; r < a.cols; ++r)
      for (int64_t c = 0; c < b.cols; ++c) sum(r, c) += a(t, r) * b(t, c);
  return sum;
}

inline std::vector<int32_t> random_index(Random& random, int64_t count, int64_t limit) {
  std::vector<int32_t> index(static_cast<size_t>(count));
  for (int32_t& i : index) i = int32_t((random.next() + 1.0) / 2.0 * double(limit));
  return index;
}

}  // namespace gradfold::test
