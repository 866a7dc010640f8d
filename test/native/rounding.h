// What the tests of kernels for both number types share.
#pragma once

#include "layers_support.h"

namespace gradfold::test {

/// The matrix as type T holds it.
template <class T>
Dense rounded(Dense m) {
  for (double& value : m.values) value = widened(narrowed<T>(value));
  return m;
}

/// Checks a float32 result as a whole, within `tolerance` of the exact one's size, and a bfloat16 result number by
/// number: each must be the exact number within half a unit in the last place, 10⁻⁵ of it (the arithmetic is float32)
/// and `slack`.
template <class T>
void expect_rounding(const std::string& what, const Dense& actual, const Dense& exact, double tolerance, double slack) {
  if (std::is_same_v<T, float>) return expect_close(what, actual, exact, tolerance);
  double worst = 0;
  for (size_t i = 0; i < exact.values.size(); ++i) {
    const double size = std::fabs(exact.values[i]), error = std::fabs(actual.values[i] - exact.values[i]);
    const double half_ulp = size > 0 ? std::ldexp(1.0, std::ilogb(size) - 8) : 0.0;
    const double excess = error - half_ulp - 1e-5 * size;
    worst = excess <= worst ? worst : excess;  // NaN becomes the worst
  }
  CHECK_CLOSE((what + " in bfloat16").c_str(), worst, 0.0, slack);
}

/// Calls test(number) for a number of each type.
template <class Test>
void for_each_type(Test test) {
  test(float{});
  test(Bf16{});
}

}  // namespace gradfold::test
