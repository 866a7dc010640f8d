// The kernels over long vectors, AdamW and its reverse among them, against naive float64 loops.
#include "layers_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

void test_vectors(Device& device, const std::string& name, int64_t count) {
  Random random{uint64_t(count)};
  const Dense x = random.matrix(1, count), y = random.matrix(1, count);
  Buffer<float> x_device(device, narrow(x)), y_device(device, narrow(y)), z_device(device, narrow(y));

  CHECK_CLOSE((name + " dot").c_str(), device.dot(x_device.data(), y_device.data(), count), inner(x, y),
              1e-7 * std::sqrt(inner(x, x) * inner(y, y)));
  CHECK(device.dot(x_device.data(), y_device.data(), count) == device.dot(x_device.data(), y_device.data(), count));
  device.axpy(y_device.data(), -0.75, x_device.data(), count);
  expect_close(name + " axpy", widen(y_device.get()), moved(y, -0.75, x), 1e-6);
  device.axpy(x_device.data(), 2.0, x_device.data(), count);
  expect_close(name + " axpy onto itself", widen(x_device.get()), moved(x, 2.0, x), 1e-6);
  device.scale(x_device.data(), 0.5, count);
  expect_close(name + " scale", widen(x_device.get()), moved(x, 0.5, x), 1e-6);
  device.copy(z_device.data(), x_device.data(), count);
  CHECK(z_device.get() == x_device.get());
  device.fill(z_device.data(), 0.25f, count);
  CHECK(z_device.get() == std::vector<float>(size_t(count), 0.25f));
}

void test_adamw(Device& device, const std::string& name, int64_t count) {
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
}

/// What a step of AdamW is about, of `count` parameters: the state before it or the state after.
struct State {
  Dense theta, m, v, g;
};

State after_adamw(const State& x, const AdamwConstants& c) {
  State y = x;
  for (size_t i = 0; i < x.g.values.size(); ++i) {
    const double g = c.gradient_scale * x.g.values[i];
    const double m = c.beta1 * x.m.values[i] + (1 - c.beta1) * g;
    const double v = c.beta2 * x.v.values[i] + (1 - c.beta2) * g * g;
    y.m.values[i] = m;
    y.v.values[i] = v;
    y.theta.values[i] -=
        c.lr * c.weight_decay * x.theta.values[i] + c.lr * (m / c.correction1) / (std::sqrt(v / c.correction2) + c.eps);
  }
  return y;
}

/// Each entry's derivative of ⟨θ̄, θ'⟩ + ⟨m̄, m'⟩ + ⟨v̄, v'⟩ by one of the four vectors; the update is elementwise.
Dense derivative_by(Dense State::*part, const State& x, const State& adjoint, const AdamwConstants& c) {
  Dense ones = x.g;
  for (double& value : ones.values) value = 1;
  const auto terms = [&](double h) {
    State moved_by = x;
    // gradient_scale is part of the update, the derivative is by what it made of g.
    moved_by.*part = moved(x.*part, part == &State::g ? h / c.gradient_scale : h, ones);
    const State y = after_adamw(moved_by, c);
    Dense sum = x.g;
    for (size_t i = 0; i < sum.values.size(); ++i)
      sum.values[i] = adjoint.theta.values[i] * y.theta.values[i] + adjoint.m.values[i] * y.m.values[i] +
                      adjoint.v.values[i] * y.v.values[i];
    return sum;
  };
  return derivative(terms);
}

void test_adamw_adjoint(Device& device, const std::string& name, int64_t count, bool with_moments) {
  Random random(9);
  const AdamwConstants c{0.1, 0.9, 0.95, 1e-2, 0.3, 1 - std::pow(0.9, 3), 1 - std::pow(0.95, 3), 0.7};
  State x{random.matrix(1, count), random.matrix(1, count), random.matrix(1, count), random.matrix(1, count)};
  for (double& value : x.v.values) value = double(float(value * value + 0.1));
  State adjoint{random.matrix(1, count), random.matrix(1, count), random.matrix(1, count), x.g};
  if (!with_moments) adjoint.m = adjoint.v = Dense(1, count);

  Buffer<float> theta_(device, narrow(adjoint.theta)), m_adjoint_(device, narrow(adjoint.m));
  Buffer<float> v_adjoint_(device, narrow(adjoint.v)), m_(device, narrow(x.m)), v_(device, narrow(x.v));
  Buffer<float> g_(device, narrow(x.g));
  device.adamw_adjoint(theta_.data(), with_moments ? m_adjoint_.data() : nullptr,
                       with_moments ? v_adjoint_.data() : nullptr, m_.data(), v_.data(), g_.data(), c, count);
  const std::string what = name + (with_moments ? " adamw_adjoint " : " adamw_adjoint, last step, ");
  expect_close(what + "theta", widen(theta_.get()), derivative_by(&State::theta, x, adjoint, c), 1e-7);
  expect_close(what + "m", widen(m_.get()), derivative_by(&State::m, x, adjoint, c), 1e-7);
  expect_close(what + "v", widen(v_.get()), derivative_by(&State::v, x, adjoint, c), 1e-7);
  expect_close(what + "g", widen(g_.get()), derivative_by(&State::g, x, adjoint, c), 1e-7);
  CHECK(m_adjoint_.get() == narrow(adjoint.m));
  CHECK(v_adjoint_.get() == narrow(adjoint.v));
}

/// A first step moves θ by −lr g / (|g| + ε): the slope −lr ε / (|g| + ε)² is what two large paths leave of each other.
void test_first_step(Device& device, const std::string& name) {
  const AdamwConstants c{0.1, 0.9, 0.999, 1e-8, 0, 1 - 0.9, 1 - 0.999, 1};
  const std::vector<float> gradients{0, 1e-8f, -1e-4f, 0.01f, 3};
  const auto count = int64_t(gradients.size());
  const std::vector<float> zeros(size_t(count), 0.0f);
  Buffer<float> theta(device, std::vector<float>(size_t(count), 1.0f)), m(device, zeros), v(device, zeros);
  Buffer<float> g(device, gradients);
  device.adamw_adjoint(theta.data(), nullptr, nullptr, m.data(), v.data(), g.data(), c, count);
  for (size_t i = 0; i < size_t(count); ++i) {
    const double size = std::fabs(double(gradients[i])) + c.eps, expected = -c.lr * c.eps / (size * size);
    CHECK_CLOSE((name + " adamw_adjoint, first step").c_str(), g.get()[i], expected, 1e-5 * std::fabs(expected));
  }
  CHECK(v.get()[0] == 0);
}

void test_all(Device& device, const std::string& name) {
  for (const int64_t count : {0, 1, 7, 64, 257, 100003}) {
    test_vectors(device, name, count);
    test_adamw(device, name, count);
    for (const bool with_moments : {false, true}) test_adamw_adjoint(device, name, count, with_moments);
  }
  test_first_step(device, name);
}

}  // namespace

int main() {
  for (const int threads : teams()) for_each_device(threads, test_all);
  return exit_status();
}
