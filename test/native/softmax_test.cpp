// The block kernels of softmax weights against long double, on every instruction set.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "../../native/weight/blocks.h"
#include "harness.h"

namespace gradfold {

#ifdef __x86_64__
namespace avx512 {
const weight::Blocks* softmax_blocks();
}
namespace avx2 {
const weight::Blocks* softmax_blocks();
}
#endif
namespace baseline {
const weight::Blocks* softmax_blocks();
}

namespace {

using weight::Blocks;
using weight::Inverse;
using weight::Range;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// |actual − exact| in units of the last place of a float64 near `exact`, subnormal ones included.
double ulps(double actual, long double exact) {
  const double near = static_cast<double>(exact);
  const double unit = near < DBL_MIN ? DBL_TRUE_MIN : std::nextafter(near, kInfinity) - near;
  return static_cast<double>(std::fabs(static_cast<long double>(actual) - exact) / unit);
}

Inverse inverse_of(double temperature) {
  const double high = 1 / temperature;
  return {high, std::fma(-high, temperature, 1.0) * high};
}

double sum_of(const std::vector<double>& x) {
  long double total = 0;
  for (const double value : x) total += value;
  return static_cast<double>(total);
}

/// The worst error of exp(s − greatest) over arguments [from, 0], and whether the sums agree.
void test_exponentials(const Blocks& blocks, double from, bool deep, double allowed) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform(from, 0);
  double worst = 0, worst_sum = 0;
  std::vector<double> scores(weight::kBlockRows), out(scores.size());
  for (int round = 0; round < 500; ++round) {
    for (double& s : scores) s = uniform(random);
    const double total = blocks.f64.sum(scores.data(), weight::kBlockRows, 0, {1, 0}, deep);
    blocks.f64.exponentials(scores.data(), weight::kBlockRows, 0, {1, 0}, deep, 1, false, out.data());
    for (size_t i = 0; i < scores.size(); ++i)
      worst = std::max(worst, ulps(out[i], expl(static_cast<long double>(scores[i]))));
    worst_sum = std::max(worst_sum, std::fabs(total / sum_of(out) - 1));
  }
  CHECK_CLOSE("worst error of the exponential, ulp", worst, 0, allowed);
  CHECK_CLOSE("relative error of a block's sum", worst_sum, 0, 1e-14);
}

/// Every length up to several vectors, so that all tails are seen; scores of both types; nothing beyond out[n].
template <typename Score>
void test_lengths(const weight::ScoreBlocks<Score>& kernel) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0, 4);
  for (int64_t n = 1; n <= 150; ++n) {
    std::vector<Score> scores(static_cast<size_t>(n));
    for (Score& s : scores) s = static_cast<Score>(normal(random));
    const Range range = kernel.range(scores.data(), n);
    CHECK(range.finite);
    CHECK(range.least == *std::min_element(scores.begin(), scores.end()));
    CHECK(range.greatest == *std::max_element(scores.begin(), scores.end()));
    for (const bool deep : {false, true}) {
      std::vector<double> out(scores.size() + 1, -1.0);
      const double total = kernel.sum(scores.data(), n, range.greatest, inverse_of(0.7), deep);
      kernel.exponentials(scores.data(), n, range.greatest, inverse_of(0.7), deep, 1, false, out.data());
      CHECK(out.back() == -1.0);
      out.pop_back();
      CHECK_CLOSE("sum", total, sum_of(out), 1e-14 * total);
      double worst = 0;
      for (size_t i = 0; i < out.size(); ++i) {
        const long double argument = (static_cast<long double>(scores[i]) - range.greatest) / 0.7;
        // The argument is rounded twice: as a difference and as a quotient.
        const long double allowed = DBL_EPSILON * (1.1L + std::fabs(argument));
        worst = std::max(worst, static_cast<double>(std::fabs(out[i] / expl(argument) - 1) / allowed));
      }
      CHECK_CLOSE("error in units of what rounding allows", worst, 0, 1);
    }
  }
}

/// One value that is not finite is seen wherever it stands.
template <typename Score>
void test_not_finite(const weight::ScoreBlocks<Score>& kernel) {
  for (size_t n = 1; n <= 70; ++n) {
    for (size_t at = 0; at < n; ++at) {
      for (const double bad : {kNan, kInfinity, -kInfinity}) {
        std::vector<Score> scores(n, Score(1));
        scores[at] = static_cast<Score>(bad);
        CHECK(!kernel.range(scores.data(), static_cast<int64_t>(n)).finite);
      }
    }
  }
}

/// exp of three arguments; their sum must be that of the results.
void three(const Blocks& blocks, const double* scores, double greatest, Inverse inverse, double* out) {
  blocks.f64.exponentials(scores, 3, greatest, inverse, true, 1, false, out);
  CHECK_CLOSE("sum", blocks.f64.sum(scores, 3, greatest, inverse, true), out[0] + out[1] + out[2], 1e-15);
}

void test_extremes(const Blocks& blocks) {
  double out[3];
  const double wide[] = {DBL_MAX, -DBL_MAX, 0};
  three(blocks, wide, DBL_MAX, {1, 0}, out);
  CHECK(out[0] == 1 && out[1] == 0 && out[2] == 0);
  const double cold[] = {1, 0, -1};
  three(blocks, cold, 1, inverse_of(1e-290), out);
  CHECK(out[0] == 1 && out[1] == 0 && out[2] == 0);
  const double hot[] = {1e300, -1e300, 0};
  three(blocks, hot, 1e300, inverse_of(1e305), out);
  CHECK(std::fabs(out[0] + out[1] + out[2] - 3) < 1e-4);
  const double least[] = {0, -745.1, -745.2};
  three(blocks, least, 0, {1, 0}, out);
  CHECK(out[1] == DBL_TRUE_MIN && out[2] == 0);
}

/// The factor costs no more than one rounding, down to the least that a kernel is given and to subnormal results.
void test_factors(const Blocks& blocks) {
  std::mt19937_64 random(11);
  for (const double factor : {1.0, 0.3, 1e-7, 0x1p-63}) {
    for (const bool deep : {false, true}) {
      std::uniform_real_distribution<double> uniform(deep ? -760 : weight::kDeep, 0);
      std::vector<double> scores(weight::kBlockRows), out(scores.size());
      for (double& s : scores) s = uniform(random);
      blocks.f64.exponentials(scores.data(), weight::kBlockRows, 0, {1, 0}, deep, factor, false, out.data());
      double worst = 0;
      for (size_t i = 0; i < scores.size(); ++i)
        worst = std::max(worst, ulps(out[i], factor * expl(static_cast<long double>(scores[i]))));
      CHECK_CLOSE("worst error of factor times exponential, ulp", worst, 0, 1.7);
    }
  }
}

/// Results that go past the caches have the same bits, wherever they begin and end, and leave what is around them.
void test_streamed(const Blocks& blocks) {
  std::mt19937_64 random(13);
  std::normal_distribution<double> normal(0, 4);
  std::vector<double> x(100), y(100);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = -std::fabs(normal(random));
    y[i] = normal(random);
  }
  for (const int64_t n : {1, 7, 8, 9, 40, 91}) {
    for (size_t begin = 0; begin < 9; ++begin) {
      std::vector<double> expected(110, -1.0), actual = expected;
      for (const bool deep : {false, true}) {
        blocks.f64.exponentials(x.data(), n, 0, {1, 0}, deep, 0.3, false, &expected[begin]);
        blocks.f64.exponentials(x.data(), n, 0, {1, 0}, deep, 0.3, true, &actual[begin]);
        CHECK(actual == expected);
      }
      blocks.backward(x.data(), y.data(), n, 0.25, inverse_of(0.3), false, &expected[begin]);
      blocks.backward(x.data(), y.data(), n, 0.25, inverse_of(0.3), true, &actual[begin]);
      CHECK(actual == expected);
    }
  }
}

void test_sums(const Blocks& blocks) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  for (const size_t n : {1, 7, 33, 2048}) {
    std::vector<double> w(n), dw(n), out(n);
    for (size_t i = 0; i < n; ++i) {
      w[i] = std::fabs(normal(random));
      dw[i] = normal(random);
    }
    long double dot = 0;
    for (size_t i = 0; i < n; ++i) dot += static_cast<long double>(w[i]) * dw[i];
    const auto count = static_cast<int64_t>(n);
    CHECK_CLOSE("dot", blocks.dot(w.data(), dw.data(), count), static_cast<double>(dot),
                1e-14 * static_cast<double>(n));
    blocks.backward(w.data(), dw.data(), count, 0.25, inverse_of(0.3), false, out.data());
    for (size_t i = 0; i < n; ++i)
      CHECK_CLOSE("backward", out[i], w[i] * (dw[i] - 0.25) / 0.3, 1e-15 * std::fabs(out[i]));
  }
}

void test_all(const Blocks& blocks) {
  test_exponentials(blocks, -1, false, 1.1);
  test_exponentials(blocks, weight::kDeep, false, 1.1);
  test_exponentials(blocks, -760, true, 1.1);
  test_lengths(blocks.f32);
  test_lengths(blocks.f64);
  test_not_finite(blocks.f32);
  test_not_finite(blocks.f64);
  test_extremes(blocks);
  test_factors(blocks);
  test_streamed(blocks);
  test_sums(blocks);
}

}  // namespace
}  // namespace gradfold

int main() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    gradfold::test_all(*gradfold::avx512::softmax_blocks());
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    gradfold::test_all(*gradfold::avx2::softmax_blocks());
  }
#endif
  gradfold::test_all(*gradfold::baseline::softmax_blocks());
  return gradfold::test::exit_status();
}
