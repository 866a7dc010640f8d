// Selection of the highest-scored rows.
#pragma once

#include <cstdint>

namespace gradfold::order {

/// rows [k] receives the last k entries of the stable ascending argsort of scores [n], in that order; 1 ≤ k ≤ n. Among
/// equal scores at the cut the later rows stay. Returns and throws as argsort.
///
/// Finds the k-th highest key digit by digit from counts alone, then sorts only the rows that stay.
int64_t top_k(const float* scores, int64_t n, int64_t k, int threads, uint32_t* rows);
int64_t top_k(const double* scores, int64_t n, int64_t k, int threads, uint32_t* rows);

}  // namespace gradfold::order
