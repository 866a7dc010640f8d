// The kernels over long vectors, AdamW among them, against naive float64 loops.
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

void test_all(Device& device, const std::string& name) {
  for (const int64_t count : {0, 1, 7, 64, 257, 100003}) {
    test_vectors(device, name, count);
    test_adamw(device, name, count);
  }
}

}  // namespace

int main() {
  for (const int threads : {1, 3}) for_each_device(threads, test_all);
  return exit_status();
}
