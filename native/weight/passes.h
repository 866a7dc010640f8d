// What the plain and the grouped form share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "blocks.h"

namespace gradfold::weight {

inline Inverse inverse_of(double temperature) {
  const double high = 1 / temperature;
  return {high, std::fma(-high, temperature, 1.0) * high};
}

/// Whether the argument of any exponential may lie below kDeep.
inline bool is_deep(const Range& range, const Inverse& inverse) {
  return (range.least - range.greatest) * inverse.high < kDeep;
}

inline int64_t block_count(int64_t n) { return (n + kBlockRows - 1) / kBlockRows; }

/// Calls body(block, first row, rows) for every block of n rows. Blocks do not depend on the team.
template <typename Body>
void for_blocks(int64_t n, int team, const Body& body) {
#pragma omp parallel for num_threads(team) schedule(static)
  for (int64_t block = 0; block < block_count(n); ++block)
    body(block, block * kBlockRows, std::min(kBlockRows, n - block * kBlockRows));
}

/// Calls body(first row, rows) for blocks of n rows that together are all, and that end, but for the last, where a
/// cache line of `out` [n] does: for results that do not depend on the block.
template <typename Body>
void for_blocks_of_lines(const double* out, int64_t n, int team, const Body& body) {
  constexpr uintptr_t line = 64;
  const auto before = static_cast<int64_t>(reinterpret_cast<uintptr_t>(out) % line / sizeof(double));
  for_blocks(before + n, team, [&](int64_t, int64_t place, int64_t rows) {
    const int64_t first = std::max<int64_t>(0, place - before);
    body(first, place + rows - before - first);
  });
}

/// What softmax_weights_backward returns for these. Only worth asking where a sum of products is not finite: it is not
/// when any factor is not.
int64_t first_not_finite(const double* weights, const double* weight_gradients, int64_t n);

/// The grouped forms; arguments and results as in softmax.h, scores finite, n ≥ 1.
template <typename Score>
void grouped_weights(const Score* scores, int64_t n, const int32_t* groups, Inverse inverse, bool deep, int team,
                     double* weights);
int64_t grouped_backward(const double* weights, const double* weight_gradients, int64_t n, const int32_t* groups,
                         Inverse inverse, int team, double* score_gradients);

}  // namespace gradfold::weight
