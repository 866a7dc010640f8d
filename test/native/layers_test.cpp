// The kernels of rotary positions, cross-entropy and AdamW against naive float64 loops, their tangents against
// central differences of those loops.
#include "layers_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

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
  test_rotary(4, 6);
  test_rotary(3, 64);
  test_cross_entropy(257, 5.0);
  test_cross_entropy(1000, 60.0);
  test_adamw(1);
  test_adamw(1003);
  return exit_status();
}
