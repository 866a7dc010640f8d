// Stable argsort of scores by least-significant-digit radix sort.
#pragma once

#include <cstdint>

namespace gradfold::order {

/// Rows are numbered by uint32.
constexpr int64_t kMaxRows = int64_t(UINT32_MAX);

/// What a call found: rows ordered, or the index of the first score that is not a number.
constexpr int64_t kNoNan = -1;

/// order [n] receives the stable order of scores [n]; equal scores (−0 equals 0) keep input order, ascending and
/// descending alike. Returns kNoNan, or the index of the first NaN with `order` untouched.
///
/// Knuth, The Art of Computer Programming 3, §5.2.5: digits of up to 11 bits over the bits in which the keys differ at
/// all, so three passes for arbitrary float32. Float64 is sorted by its low word, then by its high word. Scratch: 16
/// bytes a row. The result does not depend on `threads`.
/// @throws std::bad_alloc, std::length_error above kMaxRows
int64_t argsort(const float* scores, int64_t n, bool descending, int threads, uint32_t* order);
int64_t argsort(const double* scores, int64_t n, bool descending, int threads, uint32_t* order);

}  // namespace gradfold::order
