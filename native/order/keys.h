// Scores as unsigned integers in the same order, so that they can be sorted digit by digit.
#pragma once

#include <cstdint>
#include <cstring>

#include "on_device.h"

namespace gradfold::order {

/// Rows are numbered by uint32.
constexpr int64_t kMaxRows = int64_t(UINT32_MAX);

/// What a call found: no score that is not a number. Otherwise it returns the index of the first one.
constexpr int64_t kNoNan = -1;

template <typename Score>
struct KeyOf;
template <>
struct KeyOf<float> {
  using type = uint32_t;
};
template <>
struct KeyOf<double> {
  using type = uint64_t;
};

/// An unsigned integer that compares as the score does: negative numbers have all bits turned, others the sign bit, and
/// −0 counts as 0. NaN has no place in the order.
template <typename Score>
GRADFOLD_ON_DEVICE inline typename KeyOf<Score>::type key_of(Score score) {
  using Key = typename KeyOf<Score>::type;
  constexpr int sign = 8 * sizeof(Key) - 1;
  score += Score(0);  // −0 + 0 = +0
  Key bits;
  std::memcpy(&bits, &score, sizeof bits);
  const Key negative = Key(0) - (bits >> sign);
  return bits ^ (negative | (Key(1) << sign));
}

/// The lowest `bits` bits, of which there are fewer than a key has.
template <typename Key>
constexpr Key low_bits(int bits) {
  return static_cast<Key>((Key(1) << bits) - 1);
}

/// A row on its way to its place. 8 bytes with a float32's key, 16 with a float64's.
template <typename Key>
struct Entry {
  Key key;
  uint32_t row;
};

}  // namespace gradfold::order
