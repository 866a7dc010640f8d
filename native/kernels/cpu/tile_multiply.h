// The blocked product on tiles, over a right operand that is packed already or packed on the way.
#pragma once

#include <type_traits>

#include "tile_pack.h"

namespace gradfold::GRADFOLD_ISA {

/// What is multiplied: bfloat16 numbers, which are one part, or float32 ones as several.
template <int kParts>
using Number = std::conditional_t<kParts == 1, Bf16, float>;

/// The right operand: packed panel after panel with `panel_bytes` between them, or, where that is null, as it lies.
template <class T>
struct Right {
  Lines<T> lines;
  const char* packed;
  int64_t panel_bytes;
};

/// An operand as `columns` or rows of a matrix.
template <class T>
inline Lines<T> lines_of(const ConstAnyMat& m, bool columns) {
  return {static_cast<const T*>(m.data), m.stride, columns};
}

/// c = a b + (accumulate ? c : 0) with the inner dimension given; on omp_get_max_threads() threads outside a parallel
/// region, on one inside. False when there is no memory for packing; c is then undefined. kParts is 1 for bfloat16. For
/// float32 it is 2, three products of parts, which lose at most 2⁻¹⁵ of a term beside what sums lose, or 3, six
/// products, which lose 1.5 · 2⁻²⁴, where rounding a term to float32 loses 2⁻²⁴.
template <int kParts>
bool multiply(const Lines<Number<kParts>>& a, const Right<Number<kParts>>& b, int64_t inner, const AnyMat& c,
              bool accumulate) noexcept;

}  // namespace gradfold::GRADFOLD_ISA
