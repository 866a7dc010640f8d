// RMSNorm and LayerNorm against naive float64 loops, their tangents against central differences of those loops.
#include "typed_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

enum class Norm { rms, layer };

const char* name_of(Norm norm) { return norm == Norm::rms ? " RMSNorm" : " LayerNorm"; }

/// Numbers of the parameter: w, of LayerNorm then b.
int64_t width_of(Norm norm, int64_t d) { return norm == Norm::rms ? d : 2 * d; }

constexpr double kEps = 1e-5;

Dense means(Norm norm, const Dense& x) {
  Dense mean(1, x.rows);
  for (int64_t t = 0; t < x.rows && norm == Norm::layer; ++t)
    for (int64_t j = 0; j < x.cols; ++j) mean(0, t) += x(t, j) / double(x.cols);
  return mean;
}

Dense rstds(Norm norm, const Dense& x) {
  const Dense mean = means(norm, x);
  Dense r(1, x.rows);
  for (int64_t t = 0; t < x.rows; ++t) {
    double sum = 0;
    for (int64_t j = 0; j < x.cols; ++j) sum += std::pow(x(t, j) - mean(0, t), 2);
    r(0, t) = 1.0 / std::sqrt(sum / double(x.cols) + kEps);
  }
  return r;
}

Dense forward(Norm norm, const Dense& x, const Dense& wb) {
  const Dense mean = means(norm, x), r = rstds(norm, x);
  Dense y(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t)
    for (int64_t j = 0; j < x.cols; ++j)
      y(t, j) = (x(t, j) - mean(0, t)) * r(0, t) * wb(0, j) + (norm == Norm::layer ? wb(0, x.cols + j) : 0);
  return y;
}

Dense input_gradient(Norm norm, const Dense& dy, const Dense& x, const Dense& wb) {
  const Dense mean = means(norm, x), r = rstds(norm, x);
  Dense dx(x.rows, x.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    double mean_g = 0, mean_gx = 0;
    for (int64_t j = 0; j < x.cols; ++j) {
      const double g = dy(t, j) * wb(0, j) / double(x.cols);
      mean_g += norm == Norm::layer ? g : 0;
      mean_gx += g * (x(t, j) - mean(0, t)) * r(0, t);
    }
    for (int64_t j = 0; j < x.cols; ++j)
      dx(t, j) = r(0, t) * (dy(t, j) * wb(0, j) - mean_g - (x(t, j) - mean(0, t)) * r(0, t) * mean_gx);
  }
  return dx;
}

Dense parameter_gradients(Norm norm, const Dense& dy, const Dense& x, const std::vector<int32_t>& begin) {
  const Dense mean = means(norm, x), r = rstds(norm, x);
  Dense rows(int64_t(begin.size()) - 1, width_of(norm, x.cols));
  for (int64_t s = 0; s < rows.rows; ++s)
    for (int64_t t = begin[size_t(s)]; t < begin[size_t(s) + 1]; ++t)
      for (int64_t j = 0; j < x.cols; ++j) {
        rows(s, j) += dy(t, j) * (x(t, j) - mean(0, t)) * r(0, t);
        if (norm == Norm::layer) rows(s, x.cols + j) += dy(t, j);
      }
  return rows;
}

template <class T>
void test_norm(Norm norm, int64_t d, const std::vector<int32_t>& begin, int threads, int64_t gap) {
  Random random(1);
  const int64_t tokens = begin.back(), samples = int64_t(begin.size()) - 1, width = width_of(norm, d);
  const std::vector<int32_t> whole{0, int32_t(tokens)};
  const Dense x = random.matrix(tokens, d), x_dot = random.matrix(tokens, d);
  const Dense dy = rounded<T>(random.matrix(tokens, d)), dy_dot = rounded<T>(random.matrix(tokens, d));
  const Dense w = random.matrix(1, width), w_dot = random.matrix(1, width);
  const Dense before = random.matrix(tokens, d), before_row = random.matrix(1, width);
  const auto x_at = [&](double step) { return moved(x, step, x_dot); };
  const auto w_at = [&](double step) { return moved(w, step, w_dot); };
  const auto dy_at = [&](double step) { return moved(dy, step, dy_dot); };
  const Dense dx = input_gradient(norm, dy, x, w), dw = parameter_gradients(norm, dy, x, whole);
  check_gradient("norm input", dx, x_dot, dy, [&](double step) { return forward(norm, x_at(step), w); });
  check_gradient("norm parameter", dw, w_dot, dy, [&](double step) { return forward(norm, x, w_at(step)); });
  const Dense rows = parameter_gradients(norm, dy, x, begin);
  const Dense mean_dot = derivative([&](double step) { return means(norm, x_at(step)); });
  const Dense rstd_dot = derivative([&](double step) { return rstds(norm, x_at(step)); });
  const Dense y_dot = derivative([&](double step) { return forward(norm, x_at(step), w_at(step)); });
  const Dense dx_dot =
      derivative([&](double step) { return input_gradient(norm, dy_at(step), x_at(step), w_at(step)); });
  const Dense dw_dot =
      derivative([&](double step) { return parameter_gradients(norm, dy_at(step), x_at(step), whole); });

  for_each_device(threads, [&](Device& device, const std::string& device_name) {
    const std::string name = device_name + type_name<T>() + name_of(norm);
    Strided x_(device, x, gap), x_dot_(device, x_dot, gap), dx_(device, before, gap), dx_dot_(device, before, gap);
    StridedOf<T> dy_(device, dy, gap), dy_dot_(device, dy_dot, gap), y(device, tokens, d, gap);
    StridedOf<T> y_dot_(device, tokens, d, gap);
    Strided rows_(device, samples, width);
    Buffer<float> w_(device, narrow(w)), w_dot_(device, narrow(w_dot)), dw_dot_(device, narrow(before_row));
    Buffer<float> mean(device, tokens), rstd(device, tokens), mean_dot_(device, tokens), rstd_dot_(device, tokens);
    Buffer<int32_t> begin_(device, begin);
    if (norm == Norm::rms) {
      device.rms_norm(x_, w_.data(), kEps, y, rstd.data());
      device.rms_norm_tangent(x_, x_dot_, w_.data(), w_dot_.data(), rstd.data(), y_dot_, rstd_dot_.data());
      device.rms_norm_backward(dy_, x_, w_.data(), rstd.data(), samples, begin_.data(), dx_, rows_);
      device.rms_norm_backward_tangent(dy_, dy_dot_, x_, x_dot_, w_.data(), w_dot_.data(), rstd.data(),
                                       rstd_dot_.data(), dx_dot_, dw_dot_.data());
    } else {
      device.layer_norm(x_, w_.data(), kEps, y, mean.data(), rstd.data());
      device.layer_norm_tangent(x_, x_dot_, w_.data(), w_dot_.data(), mean.data(), rstd.data(), y_dot_,
                                mean_dot_.data(), rstd_dot_.data());
      device.layer_norm_backward(dy_, x_, w_.data(), mean.data(), rstd.data(), samples, begin_.data(), dx_, rows_);
      device.layer_norm_backward_tangent(dy_, dy_dot_, x_, x_dot_, w_.data(), w_dot_.data(), mean.data(), rstd.data(),
                                         mean_dot_.data(), rstd_dot_.data(), dx_dot_, dw_dot_.data());
      const double absolute = 1e-7 * std::sqrt(double(tokens));
      expect_close(name + " mean", moved(widen(mean.get()), -1, means(norm, x)), Dense(1, tokens), absolute);
      expect_close(name + " mean tangent", moved(widen(mean_dot_.get()), -1, mean_dot), Dense(1, tokens), absolute);
    }
    expect_typed<T>(name, y.get(), forward(norm, x, w), 3e-7);
    expect_close(name + " rstd", widen(rstd.get()), rstds(norm, x), 1e-7);
    expect_typed<T>(name + " tangent", y_dot_.get(), y_dot, 4e-7);
    expect_close(name + " rstd tangent", widen(rstd_dot_.get()), rstd_dot, 4e-7);
    expect_close(name + " backward", dx_.get(), moved(before, 1, dx), 4e-7);
    expect_close(name + " parameter rows", rows_.get(), rows, 4e-7);
    expect_close(name + " backward tangent", dx_dot_.get(), moved(before, 1, dx_dot), 4e-7);
    expect_close(name + " parameter tangent", widen(dw_dot_.get()), moved(before_row, 1, dw_dot), 4e-7);
  });
}

/// gap: between rows.
void test_both(int64_t d, const std::vector<int32_t>& begin, int threads = 2, int64_t gap = 3) {
  for (const Norm norm : {Norm::rms, Norm::layer}) {
    test_norm<float>(norm, d, begin, threads, gap);
    test_norm<Bf16>(norm, d, begin, threads, gap);
  }
}

/// Equal inputs and thread counts give equal bits, and samples without tokens leave exact zeros.
void test_repeatable(Norm norm) {
  Random random(2);
  const std::vector<int32_t> begin{0, 0, 300, 300, 301, 700, 700};
  const int64_t tokens = begin.back(), samples = int64_t(begin.size()) - 1, d = 65, width = width_of(norm, d);
  const Dense x = random.matrix(tokens, d), dy = random.matrix(tokens, d), w = random.matrix(1, width);
  for_each_device(3, [&](Device& device, const std::string&) {
    Strided x_(device, x), dy_(device, dy), dx(device, Dense(tokens, d));
    Buffer<float> w_(device, narrow(w)), mean(device, narrow(means(norm, x))), rstd(device, narrow(rstds(norm, x)));
    Buffer<int32_t> begin_(device, begin);
    const auto run = [&] {
      Strided rows(device, samples, width);
      if (norm == Norm::rms)
        device.rms_norm_backward(dy_, x_, w_.data(), rstd.data(), samples, begin_.data(), dx, rows);
      else
        device.layer_norm_backward(dy_, x_, w_.data(), mean.data(), rstd.data(), samples, begin_.data(), dx, rows);
      return rows.get();
    };
    const Dense rows = run();
    CHECK(run().values == rows.values);
    for (const int64_t empty : {0, 2, 5})
      for (int64_t j = 0; j < width; ++j) CHECK(rows(empty, j) == 0.0);
  });
}

/// Rows whose numbers are all equal have no variance: y = b, and everything stays finite at BERT's eps.
void test_rows_of_equal_numbers(int64_t d) {
  Random random(3);
  const std::vector<double> numbers{0.0, 0.1, -1.0 / 3, 123.456, -98765.4, 1e-30};
  const int64_t tokens = int64_t(numbers.size());
  const std::vector<int32_t> begin{0, int32_t(tokens)};
  Dense x(tokens, d);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 0; j < d; ++j) x(t, j) = double(float(numbers[size_t(t)]));
  const Dense wb = random.matrix(1, 2 * d), dy = random.matrix(tokens, d), dx = input_gradient(Norm::layer, dy, x, wb);
  for_each_device(2, [&](Device& device, const std::string& name) {
    Strided x_(device, x), y(device, tokens, d), dy_(device, dy), dx_(device, Dense(tokens, d)), rows(device, 1, 2 * d);
    Buffer<float> wb_(device, narrow(wb)), mean(device, tokens), rstd(device, tokens);
    Buffer<int32_t> begin_(device, begin);
    device.layer_norm(x_, wb_.data(), 1e-12, y, mean.data(), rstd.data());
    const Dense result = y.get();
    for (int64_t t = 0; t < tokens; ++t) {
      CHECK(double(mean.get()[size_t(t)]) == x(t, 0));
      CHECK_CLOSE("rstd without variance", double(rstd.get()[size_t(t)]), 1e6, 0.1);
      for (int64_t j = 0; j < d; ++j) CHECK(result(t, j) == wb(0, d + j));
    }
    device.layer_norm_backward(dy_, x_, wb_.data(), mean.data(), rstd.data(), 1, begin_.data(), dx_, rows);
    Dense scaled = dx;  // which is proportional to r here, and dx was computed at kEps
    for (double& value : scaled.values) value *= 1e6 * std::sqrt(kEps);
    expect_close(name + " LayerNorm backward of equal numbers", dx_.get(), scaled, 4e-7);
  });
}

/// A mean a thousand times the deviation costs the mean's own rounding, not the variance.
void test_large_mean(int64_t d) {
  Random random(4);
  const int64_t tokens = 5;
  Dense x = random.matrix(tokens, d), wb = random.matrix(1, 2 * d);
  for (double& value : x.values) value = double(float(value + 1000));
  for_each_device(2, [&](Device& device, const std::string& name) {
    Strided x_(device, x), y(device, tokens, d);
    Buffer<float> wb_(device, narrow(wb)), mean(device, tokens), rstd(device, tokens);
    device.layer_norm(x_, wb_.data(), kEps, y, mean.data(), rstd.data());
    expect_close(name + " LayerNorm of a large mean", y.get(), forward(Norm::layer, x, wb), 6e-5);
    expect_close(name + " rstd of a large mean", widen(rstd.get()), rstds(Norm::layer, x), 2e-7);
  });
}

}  // namespace

int main() {
  test_both(70, {0, 1, 8, 72});
  test_both(64, {0, 257});
  test_both(6, {0, 3, 3, 5});
  test_both(9, {0, 1100});  // many chunks of a device's
  test_both(1100, {0, 0, 40, 41}, 1);
  test_both(33, {0, 50}, 3);
  test_both(17, {0, 2}, 3);  // fewer tokens than threads
  // Rows that begin at multiples of 16 bytes, which a device takes in packs.
  test_both(72, {0, 1, 8, 72}, 2, 4);
  test_both(1100, {0, 0, 40, 41}, 1, 4);
  test_repeatable(Norm::rms);
  test_repeatable(Norm::layer);
  test_rows_of_equal_numbers(70);
  test_rows_of_equal_numbers(768);
  test_large_mean(768);
  return exit_status();
}
