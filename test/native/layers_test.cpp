// The kernels of norms and SwiGLU against naive float64 loops, their tangents against central differences of those
// loops.
#include "layers_support.h"

#define GRADFOLD_ISA layers_test
#include "../../native/kernels/cpu/vector_math.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

void test_exp() {
  double worst = 0;
  for (int i = 0; i <= 1750000; ++i) {
    const float x = float(-87.336 + i * 1e-4);
    const double exact = std::exp(double(x));
    if (exact > double(__FLT_MAX__)) break;
    const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
    worst = std::fmax(worst, std::fabs(double(layers_test::exp_float(x)) - exact) / ulp);
  }
  CHECK_CLOSE("error of exp in ulp", worst, 0.0, 2.0);
  const float infinity = __builtin_inff();
  CHECK(layers_test::exp_float(0.0f) == 1.0f);
  CHECK(layers_test::exp_float(88.72283f) < infinity);
  CHECK(layers_test::exp_float(88.73f) == infinity);
  CHECK(layers_test::exp_float(infinity) == infinity);
  CHECK(layers_test::exp_float(-87.34f) == 0.0f);
  CHECK(layers_test::exp_float(-1e30f) == 0.0f);
  CHECK(layers_test::exp_float(-infinity) == 0.0f);
  CHECK(std::isnan(layers_test::exp_float(__builtin_nanf(""))));
}

// ---- RMSNorm --------------------------------------------------------------------------------------------------------

constexpr double kEps = 1e-5;

Dense norm_rstd(const Dense& x) {
  Dense r(1, x.rows);
  for (int64_t t = 0; t < x.rows; ++t) {
    double sum = 0;
    for (int64_t j = 0; j < x.cols; ++j) sum += x(t, j) * x(t, j);
    r(0, t) = 1.0 / std::sqrt(sum / double(x.cols) + kEps);
  }
  return r;
}

Dense norm(const Dense& x, const Dense& w) {
  const Dense r = norm_rstd(x);
  Dense y(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t)
    for (int64_t j = 0; j < x.cols; ++j) y(t, j) = x(t, j) * r(0, t) * w(0, j);
  return y;
}

Dense norm_input_gradient(const Dense& dy, const Dense& x, const Dense& w) {
  const Dense r = norm_rstd(x);
  Dense dx(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    double mean = 0;
    for (int64_t j = 0; j < x.cols; ++j) mean += dy(t, j) * w(0, j) * x(t, j) / double(x.cols);
    for (int64_t j = 0; j < x.cols; ++j) dx(t, j) = r(0, t) * (dy(t, j) * w(0, j) - x(t, j) * r(0, t) * r(0, t) * mean);
  }
  return dx;
}

Dense norm_weight_gradients(const Dense& dy, const Dense& x, const std::vector<int32_t>& begin) {
  const Dense r = norm_rstd(x);
  Dense rows(int64_t(begin.size()) - 1, x.cols);
  for (int64_t s = 0; s < rows.rows; ++s)
    for (int64_t t = begin[size_t(s)]; t < begin[size_t(s) + 1]; ++t)
      for (int64_t j = 0; j < x.cols; ++j) rows(s, j) += dy(t, j) * x(t, j) * r(0, t);
  return rows;
}

void test_rms_norm(int64_t d, const std::vector<int32_t>& begin) {
  Random random(1);
  const int64_t tokens = begin.back();
  const std::vector<int32_t> whole{0, int32_t(tokens)};
  const Dense x = random.matrix(tokens, d), x_dot = random.matrix(tokens, d), dy = random.matrix(tokens, d);
  const Dense dy_dot = random.matrix(tokens, d), w = random.matrix(1, d), w_dot = random.matrix(1, d);
  const Dense before = random.matrix(tokens, d), before_row = random.matrix(1, d);
  const auto x_at = [&](double step) { return moved(x, step, x_dot); };
  const auto w_at = [&](double step) { return moved(w, step, w_dot); };
  const auto dy_at = [&](double step) { return moved(dy, step, dy_dot); };
  const Dense dx = norm_input_gradient(dy, x, w), dw = norm_weight_gradients(dy, x, whole);
  check_gradient("norm input", dx, x_dot, dy, [&](double step) { return norm(x_at(step), w); });
  check_gradient("norm weight", dw, w_dot, dy, [&](double step) { return norm(x, w_at(step)); });
  const Dense rows = norm_weight_gradients(dy, x, begin);
  const Dense rstd_dot = derivative([&](double step) { return norm_rstd(x_at(step)); });
  const Dense y_dot = derivative([&](double step) { return norm(x_at(step), w_at(step)); });
  const Dense dx_dot =
      derivative([&](double step) { return norm_input_gradient(dy_at(step), x_at(step), w_at(step)); });
  const Dense dw_dot = derivative([&](double step) { return norm_weight_gradients(dy_at(step), x_at(step), whole); });

  for_each_device(2, [&](Device& device, const std::string& name) {
    Strided x_(device, x), x_dot_(device, x_dot), dy_(device, dy), dy_dot_(device, dy_dot);
    Strided y(device, tokens, d), y_dot_(device, tokens, d), dx_(device, before), dx_dot_(device, before);
    Strided rows_(device, int64_t(begin.size()) - 1, d);
    Buffer<float> w_(device, narrow(w)), w_dot_(device, narrow(w_dot)), dw_dot_(device, narrow(before_row));
    Buffer<float> rstd(device, tokens), rstd_dot_(device, tokens);
    device.rms_norm(x_, w_.data(), kEps, y, rstd.data());
    expect_close(name + " norm", y.get(), norm(x, w), 2e-7);
    expect_close(name + " rstd", widen(rstd.get()), norm_rstd(x), 1e-7);
    device.rms_norm_tangent(x_, x_dot_, w_.data(), w_dot_.data(), rstd.data(), y_dot_, rstd_dot_.data());
    expect_close(name + " norm tangent", y_dot_.get(), y_dot, 4e-7);
    expect_close(name + " rstd tangent", widen(rstd_dot_.get()), rstd_dot, 4e-7);
    device.rms_norm_backward(dy_, x_, w_.data(), rstd.data(), rows_.rows(), begin.data(), dx_, rows_);
    expect_close(name + " norm backward", dx_.get(), moved(before, 1, dx), 4e-7);
    expect_close(name + " norm weight rows", rows_.get(), rows, 4e-7);
    device.rms_norm_backward_tangent(dy_, dy_dot_, x_, x_dot_, w_.data(), w_dot_.data(), rstd.data(), rstd_dot_.data(),
                                     dx_dot_, dw_dot_.data());
    expect_close(name + " norm backward tangent", dx_dot_.get(), moved(before, 1, dx_dot), 4e-7);
    expect_close(name + " norm weight tangent", widen(dw_dot_.get()), moved(before_row, 1, dw_dot), 4e-7);
  });
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

void test_swiglu(int64_t tokens, int64_t ff, double size) {
  Random random(3);
  const Dense gate_up = random.matrix(tokens, 2 * ff, size), gate_up_dot = random.matrix(tokens, 2 * ff);
  const Dense dact = random.matrix(tokens, ff), dact_dot = random.matrix(tokens, ff);
  const auto at = [&](double step) { return moved(gate_up, step, gate_up_dot); };
  const Dense gradient = swiglu_gradient(gate_up, dact);
  const auto along = [&](double step) { return swiglu(at(step)); };
  check_gradient("swiglu", gradient, gate_up_dot, dact, along);
  const Dense act_dot = derivative(along);
  const Dense gradient_dot =
      derivative([&](double step) { return swiglu_gradient(at(step), moved(dact, step, dact_dot)); });
  for_each_device(2, [&](Device& device, const std::string& name) {
    Strided gate_up_(device, gate_up), gate_up_dot_(device, gate_up_dot), dact_(device, dact);
    Strided dact_dot_(device, dact_dot), act(device, tokens, ff), result(device, tokens, 2 * ff);
    device.swiglu(gate_up_, act);
    expect_close(name + " swiglu", act.get(), swiglu(gate_up), 3e-7);
    device.swiglu_tangent(gate_up_, gate_up_dot_, act);
    expect_close(name + " swiglu tangent", act.get(), act_dot, 3e-7);
    device.swiglu_backward(gate_up_, dact_, result);
    expect_close(name + " swiglu backward", result.get(), gradient, 3e-7);
    device.swiglu_backward_tangent(gate_up_, gate_up_dot_, dact_, dact_dot_, result);
    expect_close(name + " swiglu backward tangent", result.get(), gradient_dot, 3e-7);
  });
}

}  // namespace

int main() {
  test_exp();
  test_rms_norm(70, {0, 1, 8, 72});
  test_rms_norm(64, {0, 257});
  test_rms_norm(6, {0, 3, 3, 5});
  test_swiglu(7, 65, 3.0);
  test_swiglu(3, 257, 60.0);
  return exit_status();
}
