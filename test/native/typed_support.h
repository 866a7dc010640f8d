// What tests of kernels over both types share: inputs that the type holds exactly, so that the float64 reference sees
// the same numbers, and outputs compared within the type's own rounding.
#pragma once

#include <type_traits>

#include "layers_support.h"

namespace gradfold::test {

/// Each number rounded to type T.
template <class T>
Dense rounded(Dense m) {
  for (double& value : m.values) value = widened(narrowed<T>(value));
  return m;
}

template <class T>
std::string type_name() {
  return std::is_same_v<T, float> ? " float32" : " bfloat16";
}

/// Checks an output of type T: float32 by ‖actual − expected‖ ≤ tolerance ‖expected‖; bfloat16 number by number within
/// half a unit in the last place, plus the tolerance times the root mean square.
template <class T>
void expect_typed(const std::string& what, const Dense& actual, const Dense& expected, double tolerance) {
  if (std::is_same_v<T, float>) return expect_close(what, actual, expected, tolerance);
  const double size = std::sqrt(inner(expected, expected) / double(expected.values.size()));
  double worst = 0;  // of the error over what is allowed
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double e = expected.values[i], half_ulp = e != 0 ? std::ldexp(1.0, std::ilogb(e) - 8) : 0.0;
    worst = std::fmax(worst, std::fabs(actual.values[i] - e) / (tolerance * size + half_ulp));
    if (std::isnan(actual.values[i])) worst = actual.values[i];
    if (std::isnan(worst)) break;
  }
  CHECK_CLOSE((what + ", error over a bfloat16 rounding").c_str(), worst, 0.0, 1.0);
}

}  // namespace gradfold::test
