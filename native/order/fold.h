// Folding: L sweeps over the scores, each from low to high.
#pragma once

#include <cstdint>

namespace gradfold::order {

/// folded [n] receives sorted[0::L], sorted[1::L], …, sorted[L−1::L] end to end, L = layers ≥ 1. No aliasing.
void fold(const uint32_t* sorted, int64_t n, int64_t layers, int threads, uint32_t* folded);

/// The rows of scores [n] in folded ascending order. Returns and throws as argsort.
int64_t fold_order(const float* scores, int64_t n, int64_t layers, int threads, uint32_t* order);
int64_t fold_order(const double* scores, int64_t n, int64_t layers, int threads, uint32_t* order);

}  // namespace gradfold::order
