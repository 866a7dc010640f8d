// What the plain and the grouped form share.
#pragma once

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

/// The range of scores [n], n ≥ 1.
template <typename Score>
Range range_of(const Score* scores, int64_t n, int team);

/// Index of the first number that is not finite; n when all are.
template <typename Number>
int64_t first_not_finite(const Number* x, int64_t n) {
  int64_t i = 0;
  while (i < n && std::isfinite(x[i])) ++i;
  return i;
}

/// The grouped forms; arguments as in softmax.h, scores finite, n ≥ 1.
template <typename Score>
void grouped_weights(const Score* scores, int64_t n, const int32_t* groups, Inverse inverse, bool deep, int team,
                     double* weights);
void grouped_backward(const double* weights, const double* weight_gradients, int64_t n, const int32_t* groups,
                      Inverse inverse, int team, double* score_gradients);

}  // namespace gradfold::weight
