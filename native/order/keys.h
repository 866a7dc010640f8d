// Scores as unsigned integers in the same order, so that they can be sorted digit by digit.
#pragma once

#include <cstdint>
#include <cstring>

namespace gradfold::order {

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
/// −0 counts as 0. `flip` is 0 for ascending order, all ones for descending. NaN has no place in the order.
template <typename Score>
inline typename KeyOf<Score>::type key_of(Score score, typename KeyOf<Score>::type flip) {
  using Key = typename KeyOf<Score>::type;
  constexpr int sign = 8 * sizeof(Key) - 1;
  score += Score(0);  // −0 + 0 = +0
  Key bits;
  std::memcpy(&bits, &score, sizeof bits);
  const Key negative = Key(0) - (bits >> sign);
  return (bits ^ (negative | (Key(1) << sign))) ^ flip;
}

}  // namespace gradfold::order
