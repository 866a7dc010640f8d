// Order and selection of the rows of scores that are in memory.
#pragma once

#include <cstdint>

#include "limits.h"

namespace gradfold::order {

struct SortOptions {
  bool descending = false;  // equal scores (−0 equals 0) keep input order either way
  int64_t keep = -1;        // only the highest so many, the last of the ascending order; −1: all
  int64_t layers = 1;       // folds the sorted rows: sorted[0::L], sorted[1::L], …, sorted[L−1::L] end to end
  int threads = 1;
  int64_t memory = kNoLimit;  // bytes of working memory, at least least_memory(n)
};

/// out [keep] receives the rows of scores [n] in stable order. Returns kNoNan, or the index of the first NaN with `out`
/// untouched. The result depends on neither `threads` nor `memory`.
///
/// Working memory without a limit: 8 bytes a kept row for float32, 16 for float64, and up to an eighth more. With one,
/// the scores are gone through once more for every window of the order that fits.
/// @throws std::bad_alloc, std::length_error above kMaxRows, std::invalid_argument for too little memory
int64_t sort_rows(const float* scores, int64_t n, const SortOptions& options, uint32_t* out);
int64_t sort_rows(const double* scores, int64_t n, const SortOptions& options, uint32_t* out);

}  // namespace gradfold::order
