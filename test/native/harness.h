// The least that native tests need: checks that count, print what failed, and decide the exit status.
#pragma once

#include <cmath>
#include <cstdio>

namespace gradfold::test {

inline int checks = 0;
inline int failures = 0;

inline void check(bool passed, const char* file, int line, const char* what) {
  ++checks;
  if (passed) return;
  ++failures;
  std::printf("%s:%d: failed: %s\n", file, line, what);
}

inline void check_close(double actual, double expected, double tolerance, const char* file, int line,
                        const char* what) {
  ++checks;
  if (std::fabs(actual - expected) <= tolerance) return;
  ++failures;
  std::printf("%s:%d: %s is %.9g, expected %.9g within %.2g\n", file, line, what, actual, expected, tolerance);
}

/// Prints the tally; what main returns: 0 when every check passed.
inline int exit_status() {
  std::printf("%d checks, %d failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace gradfold::test

#define CHECK(condition) gradfold::test::check(condition, __FILE__, __LINE__, #condition)

/// |actual − expected| ≤ tolerance; false for NaN.
#define CHECK_CLOSE(what, actual, expected, tolerance) \
  gradfold::test::check_close(actual, expected, tolerance, __FILE__, __LINE__, what)
