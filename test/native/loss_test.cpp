// The kernels of cross-entropy against naive float64 loops, their tangents against central differences of those loops,
// in both number types of the gradient.
#include "rounding.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

/// A number below which an exponential in float32 is 0.
constexpr double kUnderflow = 1.2e-38;

Dense log_sum_exp(const Dense& logits) {
  Dense lse(1, logits.rows);
  for (int64_t r = 0; r < logits.rows; ++r) {
    double largest = logits(r, 0), sum = 0;
    for (int64_t v = 0; v < logits.cols; ++v) largest = std::fmax(largest, logits(r, v));
    for (int64_t v = 0; v < logits.cols; ++v) sum += std::exp(logits(r, v) - largest);
    lse(0, r) = std::log(sum) + largest;
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

/// Σ_v p_v L̇_v of each row.
Dense mean_tangents(const Dense& logits, const Dense& logits_dot) {
  const Dense lse = log_sum_exp(logits);
  Dense mean(1, logits.rows);
  for (int64_t r = 0; r < logits.rows; ++r)
    for (int64_t v = 0; v < logits.cols; ++v) mean(0, r) += std::exp(logits(r, v) - lse(0, r)) * logits_dot(r, v);
  return mean;
}

Dense loss_tangents(const Dense& logits, const Dense& logits_dot, const std::vector<int32_t>& label) {
  Dense result = mean_tangents(logits, logits_dot);
  for (int64_t r = 0; r < logits.rows; ++r) result(0, r) -= logits_dot(r, label[size_t(r)]);
  return result;
}

Dense gradient_tangent(const Dense& logits, const Dense& logits_dot, const Dense& scale) {
  const Dense lse = log_sum_exp(logits), mean = mean_tangents(logits, logits_dot);
  Dense result(logits.rows, logits.cols);
  for (int64_t r = 0; r < logits.rows; ++r)
    for (int64_t v = 0; v < logits.cols; ++v)
      result(r, v) = scale(0, r) * std::exp(logits(r, v) - lse(0, r)) * (logits_dot(r, v) - mean(0, r));
  return result;
}

Dense columns_of(const Dense& x, int64_t first, int64_t cols) {
  Dense result(x.rows, cols);
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t c = 0; c < cols; ++c) result(r, c) = x(r, first + c);
  return result;
}

/// A batch of logits with all that is expected of it.
struct Case {
  Dense logits, logits_dot, scale;
  std::vector<int32_t> label;
  int64_t first, panel;  // columns of a panel
  Dense loss, lse, gradient, loss_dot, gradient_dot;

  Case(const Dense& logits_, const std::vector<int32_t>& label_, int64_t first_, int64_t panel_)
      : logits(logits_),
        logits_dot(Random(41).matrix(logits.rows, logits.cols)),
        scale(Random(42).matrix(1, logits.rows)),
        label(label_),
        first(first_),
        panel(panel_),
        loss(losses(logits, label)),
        lse(log_sum_exp(logits)),
        gradient(loss_gradient(logits, label, scale)),
        loss_dot(loss_tangents(logits, logits_dot, label)),
        gradient_dot(gradient_tangent(logits, logits_dot, scale)) {}
};

/// The naive formulas themselves against central differences.
void check_formulas(const Case& c) {
  const auto at = [&](double step) { return moved(c.logits, step, c.logits_dot); };
  check_gradient("cross-entropy", c.gradient, c.logits_dot, c.scale,
                 [&](double step) { return losses(at(step), c.label); });
  expect_close("loss tangent", c.loss_dot, derivative([&](double step) { return losses(at(step), c.label); }), 1e-8);
  expect_close("gradient tangent", c.gradient_dot,
               derivative([&](double step) { return loss_gradient(at(step), c.label, c.scale); }), 1e-8);
}

void test_without_gradient(Device& device, const std::string& name, const Case& c) {
  Strided x(device, c.logits), x_dot(device, c.logits_dot);
  Buffer<int32_t> label(device, c.label);
  Buffer<double> loss(device, x.rows()), loss_dot(device, x.rows()), lse(device, x.rows());
  device.cross_entropy(x, label.data(), nullptr, loss.data(), lse.data(), x);
  expect_close(name + " loss alone", widen(loss.get()), c.loss, 1e-7);
  expect_close(name + " lse", widen(lse.get()), c.lse, 1e-7);
  device.cross_entropy_tangent(x, x_dot, label.data(), nullptr, loss.data(), loss_dot.data(), x, x_dot);
  expect_close(name + " loss of the dual pass alone", widen(loss.get()), c.loss, 1e-7);
  expect_close(name + " loss tangent alone", widen(loss_dot.get()), c.loss_dot, 4e-7);
  CHECK(x.get().values == c.logits.values && x_dot.get().values == c.logits_dot.values);
}

/// The gradient in place of the logits.
void test_in_place(Device& device, const std::string& name, const Case& c) {
  Strided x(device, c.logits), x_dot(device, c.logits_dot), part(device, columns_of(c.logits, c.first, c.panel));
  Buffer<int32_t> label(device, c.label);
  Buffer<double> scale(device, c.scale.values), loss(device, x.rows()), loss_dot(device, x.rows()),
      lse(device, x.rows());
  device.cross_entropy(x, label.data(), scale.data(), loss.data(), lse.data(), x);
  expect_close(name + " loss with gradient", widen(loss.get()), c.loss, 1e-7);
  expect_close(name + " gradient in place", x.get(), c.gradient, 4e-7);
  device.cross_entropy_panel(part, label.data(), c.first, scale.data(), lse.data(), part);
  expect_close(name + " gradient on a panel in place", part.get(), columns_of(c.gradient, c.first, c.panel), 4e-7);
  x.set(c.logits);
  device.cross_entropy_tangent(x, x_dot, label.data(), scale.data(), loss.data(), loss_dot.data(), x, x_dot);
  expect_close(name + " loss of the dual pass", widen(loss.get()), c.loss, 1e-7);
  expect_close(name + " loss tangent", widen(loss_dot.get()), c.loss_dot, 4e-7);
  expect_close(name + " gradient of the dual pass in place", x.get(), c.gradient, 4e-7);
  expect_close(name + " gradient tangent in place", x_dot.get(), c.gradient_dot, 4e-7);
}

/// The gradient elsewhere, of type T.
template <class T>
void test_elsewhere(Device& device, const std::string& name, const Case& c) {
  // What a difference of logits tangents loses where it cancels is as large as one rounding of them.
  const double dot_slack = 2e-7;
  Strided x(device, c.logits), x_dot(device, c.logits_dot), part(device, columns_of(c.logits, c.first, c.panel));
  StridedOf<T> out(device, x.rows(), c.logits.cols), out_dot(device, x.rows(), c.logits.cols);
  StridedOf<T> part_out(device, x.rows(), c.panel);
  Buffer<int32_t> label(device, c.label);
  Buffer<double> scale(device, c.scale.values), loss(device, x.rows()), loss_dot(device, x.rows()),
      lse(device, x.rows());
  device.cross_entropy(x, label.data(), scale.data(), loss.data(), nullptr, out);
  expect_close(name + " loss without lse", widen(loss.get()), c.loss, 1e-7);
  expect_rounding<T>(name + " gradient", out.get(), c.gradient, 4e-7, kUnderflow);
  device.cross_entropy_tangent(x, x_dot, label.data(), scale.data(), loss.data(), loss_dot.data(), out, out_dot);
  expect_rounding<T>(name + " gradient of the dual pass", out.get(), c.gradient, 4e-7, kUnderflow);
  expect_rounding<T>(name + " gradient tangent", out_dot.get(), c.gradient_dot, 4e-7, dot_slack);
  lse.set(c.lse.values);
  device.cross_entropy_panel(part, label.data(), c.first, scale.data(), lse.data(), part_out);
  expect_rounding<T>(name + " gradient on a panel", part_out.get(), columns_of(c.gradient, c.first, c.panel), 4e-7,
                     kUnderflow);
  device.one_hot(label.data(), c.first, part_out);
  CHECK(part_out.get().values == one_hot(c.label, c.first, c.panel).values);
  CHECK(x.get().values == c.logits.values && x_dot.get().values == c.logits_dot.values);
  CHECK(part.get().values == columns_of(c.logits, c.first, c.panel).values);
}

void test_case(const Case& c) {
  for (const int threads : {1, 2})
    for_each_device(threads, [&](Device& device, const std::string& name) {
      test_without_gradient(device, name, c);
      test_in_place(device, name, c);
      test_elsewhere<float>(device, name, c);
      test_elsewhere<Bf16>(device, name, c);
    });
}

/// Labels at the ends of the vocabulary and on both sides of both edges of the panel [first, first + panel).
Case random_case(int64_t vocabulary, double size) {
  const int64_t first = vocabulary / 3, panel = vocabulary / 2;
  const std::vector<int64_t> label{
      0, first - 1, first, first + panel / 2, first + panel - 1, first + panel, vocabulary - 1};
  return Case(Random(4).matrix(int64_t(label.size()), vocabulary, size), {label.begin(), label.end()}, first, panel);
}

/// Where the label's logit stands far above the others the loss is small, yet must keep its digits, and so must the
/// label's gradient.
void test_sure_model() {
  Dense logits = Random(6).matrix(3, 1500, 2.0);
  const std::vector<int32_t> label{0, 700, 1499};
  for (int64_t r = 0; r < 3; ++r) logits(r, label[size_t(r)]) = 35;
  const Case c(logits, label, 600, 200);
  // Without the cancellation of log Σ exp − logit.
  Dense loss(1, 3), at_label(1, 3);
  for (int64_t r = 0; r < 3; ++r) {
    double rest = 0;
    for (int64_t v = 0; v < logits.cols; ++v) rest += v == label[size_t(r)] ? 0 : std::exp(logits(r, v) - 35);
    loss(0, r) = std::log1p(rest);
    at_label(0, r) = -c.scale(0, r) * rest / (1 + rest);
  }
  for_each_device(2, [&](Device& device, const std::string& name) {
    Strided x(device, logits);
    Buffer<int32_t> label_device(device, label);
    Buffer<double> scale(device, c.scale.values), loss_device(device, 3);
    device.cross_entropy(x, label_device.data(), scale.data(), loss_device.data(), nullptr, x);
    expect_close(name + " small loss", widen(loss_device.get()), loss, 1e-6);
    const Dense gradient = x.get();
    Dense actual(1, 3);
    for (int64_t r = 0; r < 3; ++r) actual(0, r) = gradient(r, label[size_t(r)]);
    expect_close(name + " small gradient", actual, at_label, 1e-6);
  });
}

/// Columns of −∞ have no share, wherever they stand.
Case masked_case() {
  Dense logits = Random(7).matrix(2, 1100, 3.0);
  for (int64_t v = 0; v < 600; ++v) logits(0, v) = -double(__builtin_inff());
  for (int64_t v = 1; v < 1100; ++v) logits(1, v) = -double(__builtin_inff());
  return Case(logits, {900, 0}, 512, 400);
}

}  // namespace

int main() {
  for (const auto& [vocabulary, size] : {std::pair<int64_t, double>{7, 1.0}, {257, 5.0}, {1000, 60.0}, {1536, 0.1}}) {
    const Case c = random_case(vocabulary, size);
    check_formulas(c);
    test_case(c);
  }
  test_case(random_case(1031, 1e4));
  test_case(Case(Random(5).matrix(3, 1, 1e4), {0, 0, 0}, 0, 1));
  test_case(masked_case());
  test_sure_model();
  return exit_status();
}
