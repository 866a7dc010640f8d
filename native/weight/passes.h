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
