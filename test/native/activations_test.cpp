// SwiGLU and GELU against naive float64 loops, their tangents against central differences of those loops, and the
// elementary functions under them against the C library's float64 over all magnitudes.
#include <limits>

#include "typed_support.h"

#define GRADFOLD_ISA activations_test
#include "../../native/kernels/cpu/vector_math.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ---- elementary functions -------------------------------------------------------------------------------------------

/// The distance of neighbouring float32 numbers at x.
double ulp(double x) { return std::ldexp(1.0, std::ilogb(x) - 23); }

void test_exp() {
  double worst = 0;
  for (int i = 0; i <= 1750000; ++i) {
    const float x = float(-87.336 + i * 1e-4);
    const double exact = std::exp(double(x));
    if (exact > double(__FLT_MAX__)) break;
    worst = std::fmax(worst, std::fabs(double(activations_test::exp_float(x)) - exact) / ulp(exact));
  }
  CHECK_CLOSE("error of exp in ulp", worst, 0.0, 2.0);
  const float infinity = __builtin_inff();
  CHECK(activations_test::exp_float(0.0f) == 1.0f);
  CHECK(activations_test::exp_float(88.72283f) < infinity);
  CHECK(activations_test::exp_float(88.73f) == infinity);
  CHECK(activations_test::exp_float(infinity) == infinity);
  CHECK(activations_test::exp_float(-87.34f) == 0.0f);
  CHECK(activations_test::exp_float(-1e30f) == 0.0f);
  CHECK(activations_test::exp_float(-infinity) == 0.0f);
  CHECK(std::isnan(activations_test::exp_float(__builtin_nanf(""))));
}

/// Φ(x), to the last bit also where it is small.
double normal_below(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }
double normal_density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0)); }

void test_normal() {
  double below = 0, near = 0, density = 0;
  for (int i = -1300000; i <= 1300000; ++i) {
    const float x = float(i * 1e-5);
    const double exact = normal_below(double(x)), exact_density = normal_density(double(x));
    const activations_test::Normal n = activations_test::normal(x);
    const double error = std::fabs(double(n.below) - exact) / ulp(exact);
    below = std::fmax(below, error);
    if (x > -2) near = std::fmax(near, error);
    density = std::fmax(density, std::fabs(double(n.density) - exact_density) / ulp(exact_density));
  }
  CHECK_CLOSE("error of the normal distribution in ulp", below, 0.0, 7.0);
  CHECK_CLOSE("error of the normal distribution above −2 in ulp", near, 0.0, 5.0);
  CHECK_CLOSE("error of the normal density in ulp", density, 0.0, 3.0);
  CHECK(activations_test::normal(-16.0f).below == 0.0f);
  CHECK(activations_test::normal(16.0f).below == 1.0f);
  CHECK(activations_test::normal(0.0f).below == 0.5f);
  CHECK(std::isnan(activations_test::normal(__builtin_nanf("")).below));
}

// ---- SwiGLU ---------------------------------------------------------------------------------------------------------

double silu(double x) { return x / (1 + std::exp(-x)); }

Dense swiglu(const Dense& gate_up) {
  const int64_t ff = gate_up.cols / 2;
  Dense act(gate_up.rows, ff);
  for (int64_t t = 0; t < act.rows; ++t)
    for (int64_t j = 0; j < ff; ++j) act(t, j) = silu(gate_up(t, j)) * gate_up(t, ff + j);
  return act;
}

Dense swiglu_gradient(const Dense& gate_up, const Dense& dact) {
  const int64_t ff = dact.cols;
  Dense result(gate_up.rows, gate_up.cols);
  for (int64_t t = 0; t < dact.rows; ++t)
    for (int64_t j = 0; j < ff; ++j) {
      const double gate = gate_up(t, j), s = 1 / (1 + std::exp(-gate));
      result(t, j) = dact(t, j) * gate_up(t, ff + j) * s * (1 + gate * (1 - s));
      result(t, ff + j) = dact(t, j) * gate * s;
    }
  return result;
}

template <class T>
void test_swiglu(int64_t tokens, int64_t ff, double size) {
  Random random(3);
  const Dense gate_up = rounded<T>(random.matrix(tokens, 2 * ff, size));
  const Dense gate_up_dot = rounded<T>(random.matrix(tokens, 2 * ff));
  const Dense dact = rounded<T>(random.matrix(tokens, ff)), dact_dot = rounded<T>(random.matrix(tokens, ff));
  const auto at = [&](double step) { return moved(gate_up, step, gate_up_dot); };
  const Dense gradient = swiglu_gradient(gate_up, dact);
  const auto along = [&](double step) { return swiglu(at(step)); };
  check_gradient("swiglu", gradient, gate_up_dot, dact, along);
  const Dense act_dot = derivative(along);
  const Dense gradient_dot =
      derivative([&](double step) { return swiglu_gradient(at(step), moved(dact, step, dact_dot)); });
  for_each_device(2, [&](Device& device, const std::string& device_name) {
    const std::string name = device_name + type_name<T>();
    StridedOf<T> gate_up_(device, gate_up), gate_up_dot_(device, gate_up_dot), dact_(device, dact);
    StridedOf<T> dact_dot_(device, dact_dot), act(device, tokens, ff), result(device, tokens, 2 * ff);
    device.swiglu(gate_up_, act);
    expect_typed<T>(name + " swiglu", act.get(), swiglu(gate_up), 3e-7);
    device.swiglu_tangent(gate_up_, gate_up_dot_, act);
    expect_typed<T>(name + " swiglu tangent", act.get(), act_dot, 3e-7);
    device.swiglu_backward(gate_up_, dact_, result);
    expect_typed<T>(name + " swiglu backward", result.get(), gradient, 3e-7);
    device.swiglu_backward_tangent(gate_up_, gate_up_dot_, dact_, dact_dot_, result);
    expect_typed<T>(name + " swiglu backward tangent", result.get(), gradient_dot, 3e-7);
  });
}

// ---- GELU -----------------------------------------------------------------------------------------------------------

const char* name_of(Gelu form) { return form == Gelu::erf ? " gelu" : " gelu by tanh"; }

/// The argument of the logistic function in x σ(v) = x (1 + tanh(v/2)) / 2, and its derivatives.
struct Inner {
  double v, v1, v2;
};

Inner inner_of(double x) {
  const double slope = std::sqrt(8 / std::acos(-1.0)), cubic = 0.044715;
  return {slope * (x + cubic * x * x * x), slope * (1 + 3 * cubic * x * x), slope * 6 * cubic * x};
}

/// A function's value and two derivatives as sums of terms, and the size of the terms.
struct Exact {
  double value[3], size[3];
};

Exact gelu_exact(Gelu form, double x) {
  if (form == Gelu::erf) {
    const double below = normal_below(x), density = normal_density(x);
    return {{x * below, below + x * density, density * (2 - x * x)},
            {std::fabs(x) * below, below + std::fabs(x) * density, density * (2 + x * x)}};
  }
  const Inner i = inner_of(x);
  const double s = 1 / (1 + std::exp(-i.v)), rest = 1 / (1 + std::exp(i.v)), both = s * rest;
  return {{x * s, s + x * both * i.v1, both * (2 * i.v1 + x * (i.v2 + i.v1 * i.v1 * (rest - s)))},
          {std::fabs(x) * s, s + std::fabs(x) * both * i.v1,
           both * (2 * i.v1 + std::fabs(x) * (std::fabs(i.v2) + i.v1 * i.v1))}};
}

Dense gelu_order(Gelu form, int order, const Dense& x) {
  Dense y = x;
  for (double& value : y.values) value = gelu_exact(form, value).value[order];
  return y;
}

Dense times(Dense a, const Dense& b) {
  for (size_t i = 0; i < a.values.size(); ++i) a.values[i] *= b.values[i];
  return a;
}

template <class T>
void test_gelu(Gelu form, int64_t rows, int64_t cols, double size) {
  Random random(5);
  const Dense x = rounded<T>(random.matrix(rows, cols, size)), x_dot = rounded<T>(random.matrix(rows, cols));
  const Dense dy = rounded<T>(random.matrix(rows, cols)), dy_dot = rounded<T>(random.matrix(rows, cols));
  const auto at = [&](double step) { return moved(x, step, x_dot); };
  const auto along = [&](double step) { return gelu_order(form, 0, at(step)); };
  const auto gradient_along = [&](double step) {
    return times(moved(dy, step, dy_dot), gelu_order(form, 1, at(step)));
  };
  const Dense dx = gradient_along(0), y_dot = derivative(along), dx_dot = derivative(gradient_along);
  check_gradient("gelu", dx, x_dot, dy, along);
  for_each_device(2, [&](Device& device, const std::string& device_name) {
    const std::string name = device_name + type_name<T>() + name_of(form);
    StridedOf<T> x_(device, x), x_dot_(device, x_dot), dy_(device, dy), dy_dot_(device, dy_dot),
        out(device, rows, cols);
    device.gelu(form, x_, out);
    expect_typed<T>(name, out.get(), along(0), 3e-7);
    device.gelu_tangent(form, x_, x_dot_, out);
    expect_typed<T>(name + " tangent", out.get(), y_dot, 3e-7);
    device.gelu_backward(form, x_, dy_, out);
    expect_typed<T>(name + " backward", out.get(), dx, 3e-7);
    device.gelu_backward_tangent(form, x_, x_dot_, dy_, dy_dot_, out);
    expect_typed<T>(name + " backward tangent", out.get(), dx_dot, 4e-7);
  });
}

/// Every binade in small steps and the curved part in smaller ones, both signs.
std::vector<double> all_magnitudes() {
  std::vector<double> x{0.0, -0.0};
  for (int exponent = -149; exponent < 128; ++exponent)
    for (int step = 0; step < 97; ++step)
      for (const double sign : {-1.0, 1.0}) x.push_back(double(float(sign * std::ldexp(1 + step / 97.0, exponent))));
  for (int i = -150000; i <= 150000; ++i) x.push_back(double(float(i * 1e-4 + 3e-6)));
  return x;
}

/// Value and derivatives one by one, in units of the last place of the largest term: no cancellation, no tail lost.
void test_gelu_everywhere(Gelu form) {
  const std::vector<double> points = all_magnitudes();
  const int64_t count = int64_t(points.size());
  Dense x(1, count), one(1, count);
  x.values = points;
  for (double& value : one.values) value = 1;
  const Dense zero(1, count);
  for_each_device(1, [&](Device& device, const std::string& device_name) {
    Strided x_(device, x), one_(device, one), zero_(device, zero), out(device, 1, count);
    for (int order = 0; order < 3; ++order) {
      if (order == 0) device.gelu(form, x_, out);
      if (order == 1) device.gelu_backward(form, x_, one_, out);
      if (order == 2) device.gelu_backward_tangent(form, x_, one_, one_, zero_, out);
      const Dense actual = out.get();
      double worst = 0;
      for (size_t i = 0; i < points.size(); ++i) {
        // Beyond 20 the tails are below every float32; the formulas would meet ∞ · 0.
        const double at = std::fmax(-20, std::fmin(points[i], 20));
        const Exact exact = gelu_exact(form, at);
        const double expected = order == 0 && at < points[i] ? points[i] : exact.value[order];
        const double size = std::fabs(expected) > exact.size[order] ? std::fabs(expected) : exact.size[order];
        // v has a few roundings of its own, which its exponential multiplies by |v|; v' squared feels them too.
        const double steep = form == Gelu::tanh ? 1 + std::fabs(inner_of(at).v) : 1;
        // Exponentials below the smallest normal number count as 0.
        const double allowed = 8 * steep * ulp(std::fmax(size, 1e-45)) + 1e-34;
        worst = std::fmax(worst, std::fabs(actual.values[i] - expected) / allowed);
        if (std::isnan(actual.values[i])) worst = kInfinity;
      }
      const std::string name = device_name + name_of(form) + " everywhere, derivative " + std::to_string(order);
      CHECK_CLOSE(name.c_str(), worst, 0.0, 1.0);
    }
  });
}

/// What infinities and NaN give: the limits, and NaN.
void test_gelu_limits(Gelu form) {
  Dense x(1, 3), one(1, 3);
  x.values = {-kInfinity, kInfinity, std::nan("")};
  one.values = {1, 1, 1};
  for_each_device(1, [&](Device& device, const std::string&) {
    Strided x_(device, x), one_(device, one), zero_(device, Dense(1, 3)), out(device, 1, 3);
    const auto expect = [&](double left, double right) {
      const Dense y = out.get();
      CHECK(y(0, 0) == left && y(0, 1) == right && std::isnan(y(0, 2)));
    };
    device.gelu(form, x_, out);
    expect(0, kInfinity);
    device.gelu_backward(form, x_, one_, out);
    expect(0, 1);
    device.gelu_backward_tangent(form, x_, one_, one_, zero_, out);
    expect(0, 0);
  });
}

}  // namespace

int main() {
  test_exp();
  test_normal();
  test_swiglu<float>(7, 65, 3.0);
  test_swiglu<float>(3, 257, 60.0);
  test_swiglu<Bf16>(7, 65, 3.0);
  test_swiglu<Bf16>(3, 257, 60.0);
  for (const Gelu form : {Gelu::erf, Gelu::tanh}) {
    test_gelu<float>(form, 7, 65, 3.0);
    test_gelu<float>(form, 2, 257, 40.0);
    test_gelu<Bf16>(form, 7, 65, 3.0);
    test_gelu<Bf16>(form, 2, 257, 40.0);
    test_gelu_everywhere(form);
    test_gelu_limits(form);
  }
  return exit_status();
}
