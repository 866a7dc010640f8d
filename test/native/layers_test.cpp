// The kernels of norms, rotary positions, SwiGLU, cross-entropy and AdamW against naive float64 loops, their tangents
// against central differences of those loops.
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

// ---- rotary positions -----------------------------------------------------------------------------------------------

void test_rotary(int64_t heads, int64_t head_dim) {
  Random random(2);
  const int64_t tokens = 9, cols = heads * head_dim, half = head_dim / 2;
  const std::vector<int32_t> position{0, 1, 2, 3, 0, 1, 40, 41, 7};
  Dense table(48, head_dim);
  for (int64_t p = 0; p < table.rows; ++p)
    for (int64_t j = 0; j < half; ++j) {
      const double angle = double(p) * std::pow(10000.0, -double(j) / double(half));
      table(p, j) = std::cos(angle);
      table(p, j + half) = std::sin(angle);
    }
  // One head more than is turned: it must stay as it is.
  const Dense x = random.matrix(tokens, cols + head_dim);
  Dense expected = x;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t j = 0; j < half; ++j) {
        const int64_t a = h * head_dim + j, b = a + half, p = position[size_t(t)];
        expected(t, a) = x(t, a) * table(p, j) - x(t, b) * table(p, j + half);
        expected(t, b) = x(t, b) * table(p, j) + x(t, a) * table(p, j + half);
      }
  for_each_device(2, [&](Device& device, const std::string& name) {
    Strided x_(device, x);
    Buffer<float> table_(device, narrow(table));
    Buffer<int32_t> position_(device, position);
    device.rotary(x_, heads, head_dim, table_.data(), position_.data(), 1);
    expect_close(name + " rotary", x_.get(), expected, 2e-7);
    device.rotary(x_, heads, head_dim, table_.data(), position_.data(), -1);
    expect_close(name + " rotary back", x_.get(), x, 2e-7);
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

// ---- cross-entropy --------------------------------------------------------------------------------------------------

Dense log_sum_exp(const Dense& logits) {
  Dense lse(1, logits.rows);
  for (int64_t r = 0; r < logits.rows; ++r) {
    double sum = 0;
    for (int64_t v = 0; v < logits.cols; ++v) sum += std::exp(logits(r, v));
    lse(0, r) = std::log(sum);
  }
  return lse;
}

Dense one_hot(const std::vector<int32_t>& label, int64_t first, int64_t cols) {
  Dense result(int64_t(label.size()), cols);
  for (int64_t r = 0; r < result.rows; ++r)
    for (int64_t v = 0; v < cols; ++v) result(r, v) = label[size_t(r)] == first + v ? 1 : 0;
  return result;
}

Dense losses(const Dense& logits, const std::vector<int32_t>& label) {
  Dense loss = log_sum_exp(logits);
  for (int64_t r = 0; r < logits.rows; ++r) loss(0, r) -= logits(r, label[size_t(r)]);
  return loss;
}

Dense loss_gradient(const Dense& logits, const std::vector<int32_t>& label, const Dense& scale) {
  const Dense lse = log_sum_exp(logits);
  Dense result = one_hot(label, 0, logits.cols);
  for (int64_t r = 0; r < logits.rows; ++r)
    for (int64_t v = 0; v < logits.cols; ++v)
      result(r, v) = scale(0, r) * (std::exp(logits(r, v) - lse(0, r)) - result(r, v));
  return result;
}

Dense columns_of(const Dense& x, int64_t first, int64_t cols) {
  Dense result(x.rows, cols);
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t c = 0; c < cols; ++c) result(r, c) = x(r, first + c);
  return result;
}

void test_cross_entropy(int64_t vocabulary, double size) {
  Random random(4);
  const int64_t rows = 7, first = vocabulary / 3, panel = vocabulary / 2;
  const Dense logits = random.matrix(rows, vocabulary, size), logits_dot = random.matrix(rows, vocabulary);
  const Dense scale = random.matrix(1, rows);
  std::vector<int32_t> label;
  for (int64_t r = 0; r < rows; ++r) label.push_back(int32_t(r * (vocabulary - 1) / (rows - 1)));
  const auto at = [&](double step) { return moved(logits, step, logits_dot); };
  const Dense loss = losses(logits, label), lse = log_sum_exp(logits);
  const Dense gradient = loss_gradient(logits, label, scale);
  check_gradient("cross-entropy", gradient, logits_dot, scale, [&](double step) { return losses(at(step), label); });
  const Dense loss_dot = derivative([&](double step) { return losses(at(step), label); });
  const Dense gradient_dot = derivative([&](double step) { return loss_gradient(at(step), label, scale); });

  for_each_device(2, [&](Device& device, const std::string& name) {
    Strided x(device, logits), x_dot(device, logits_dot), part(device, columns_of(logits, first, panel));
    Buffer<int32_t> label_(device, label);
    Buffer<double> scale_(device, scale.values);
    Buffer<double> loss_(device, rows), loss_dot_(device, rows), lse_(device, rows);
    device.cross_entropy(x, label_.data(), nullptr, loss_.data(), lse_.data(), x);
    expect_close(name + " loss", widen(loss_.get()), loss, 1e-7);
    expect_close(name + " lse", widen(lse_.get()), lse, 1e-7);
    CHECK(x.get().values == logits.values);
    device.cross_entropy_panel(part, label_.data(), first, scale_.data(), lse_.data(), part);
    expect_close(name + " loss gradient on a panel", part.get(), columns_of(gradient, first, panel), 4e-7);
    device.one_hot(label_.data(), first, part);
    CHECK(part.get().values == one_hot(label, first, panel).values);

    device.cross_entropy_tangent(x, x_dot, label_.data(), nullptr, loss_.data(), loss_dot_.data(), x, x_dot);
    expect_close(name + " loss tangent alone", widen(loss_dot_.get()), loss_dot, 4e-7);
    CHECK(x.get().values == logits.values && x_dot.get().values == logits_dot.values);
    device.cross_entropy_tangent(x, x_dot, label_.data(), scale_.data(), loss_.data(), loss_dot_.data(), x, x_dot);
    expect_close(name + " loss of the dual pass", widen(loss_.get()), loss, 1e-7);
    expect_close(name + " loss tangent", widen(loss_dot_.get()), loss_dot, 4e-7);
    expect_close(name + " loss gradient of the dual pass", x.get(), gradient, 4e-7);
    expect_close(name + " loss gradient tangent", x_dot.get(), gradient_dot, 4e-7);

    x.set(logits);
    device.cross_entropy(x, label_.data(), scale_.data(), loss_.data(), nullptr, x);
    expect_close(name + " loss with gradient", widen(loss_.get()), loss, 1e-7);
    expect_close(name + " loss gradient", x.get(), gradient, 4e-7);
  });
}

// ---- AdamW ----------------------------------------------------------------------------------------------------------

void test_adamw(int64_t count) {
  Random random(5);
  const Dense theta = random.matrix(1, count), m = random.matrix(1, count, 0.1), g = random.matrix(1, count);
  Dense v = random.matrix(1, count, 0.1);
  for (double& value : v.values) value = std::fabs(value);
  const AdamwConstants c{1e-3, 0.9, 0.95, 1e-8, 0.033, 1 - std::pow(0.9, 3), 1 - std::pow(0.95, 3), 0.7};
  Dense m_new = m, v_new = v, change = theta;
  for (size_t i = 0; i < size_t(count); ++i) {
    const double s = c.gradient_scale * g.values[i];
    m_new.values[i] = c.beta1 * m.values[i] + (1 - c.beta1) * s;
    v_new.values[i] = c.beta2 * v.values[i] + (1 - c.beta2) * s * s;
    change.values[i] = -c.lr * c.weight_decay * theta.values[i] -
                       c.lr * (m_new.values[i] / c.correction1) / (std::sqrt(v_new.values[i] / c.correction2) + c.eps);
  }
  for_each_device(2, [&](Device& device, const std::string& name) {
    Buffer<float> theta_(device, narrow(theta)), m_(device, narrow(m)), v_(device, narrow(v)), g_(device, narrow(g));
    device.adamw(theta_.data(), m_.data(), v_.data(), g_.data(), c, count);
    expect_close(name + " adamw m", widen(m_.get()), m_new, 1e-7);
    expect_close(name + " adamw v", widen(v_.get()), v_new, 1e-7);
    expect_close(name + " adamw theta", widen(theta_.get()), moved(theta, 1, change), 1e-7);

    // Moments without gradient decay to zero, not into subnormal numbers.
    m_.set(std::vector<float>(size_t(count), 1.2e-38f));
    v_.set(std::vector<float>(size_t(count), 1.2e-38f));
    g_.set(std::vector<float>(size_t(count), 0.0f));
    device.adamw(theta_.data(), m_.data(), v_.data(), g_.data(), c, count);
    CHECK(m_.get() == std::vector<float>(size_t(count), 0.0f));
    CHECK(v_.get() == std::vector<float>(size_t(count), 0.0f));
  });
}

}  // namespace

int main() {
  test_exp();
  test_rms_norm(70, {0, 1, 8, 72});
  test_rms_norm(64, {0, 257});
  test_rms_norm(6, {0, 3, 3, 5});
  test_rotary(4, 6);
  test_rotary(3, 64);
  test_swiglu(7, 65, 3.0);
  test_swiglu(3, 257, 60.0);
  test_cross_entropy(257, 5.0);
  test_cross_entropy(1000, 60.0);
  test_adamw(1);
  test_adamw(1003);
  return exit_status();
}
