// What the tests of the layer kernels share: float64 matrices for the naive references, their central differences, and
// float32 matrices in device memory whose rows stand apart, so that writing beside a row is seen.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "devices.h"
#include "harness.h"

namespace gradfold::test {

/// A dense float64 matrix.
struct Dense {
  int64_t rows, cols;
  std::vector<double> values;

  Dense(int64_t rows_, int64_t cols_) : rows(rows_), cols(cols_), values(size_t(rows_ * cols_), 0.0) {}
  double& operator()(int64_t r, int64_t c) { return values[size_t(r * cols + c)]; }
  double operator()(int64_t r, int64_t c) const { return values[size_t(r * cols + c)]; }
};

/// Uniform numbers in [−1, 1) that float32 holds exactly.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  double next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return double(int64_t(state_ >> 40)) / double(1 << 23) - 1.0;
  }
  Dense matrix(int64_t rows, int64_t cols, double size = 1.0) {
    Dense m(rows, cols);
    for (double& value : m.values) value = double(float(size * next()));
    return m;
  }

 private:
  uint64_t state_;
};

/// x + step · direction
inline Dense moved(Dense x, double step, const Dense& direction) {
  for (size_t i = 0; i < x.values.size(); ++i) x.values[i] += step * direction.values[i];
  return x;
}

inline double inner(const Dense& a, const Dense& b) {
  double sum = 0;
  for (size_t i = 0; i < a.values.size(); ++i) sum += a.values[i] * b.values[i];
  return sum;
}

/// ∂/∂s f(s) at 0 by central differences; their error is about 1e-10 of the derivatives for the functions tested here.
inline Dense derivative(const std::function<Dense(double)>& f) {
  const double step = 1e-5;
  Dense result = moved(f(step), -1.0, f(-step));
  for (double& value : result.values) value /= 2 * step;
  return result;
}

/// ‖a − b‖ / ‖b‖
inline double relative_error(const Dense& a, const Dense& b) {
  const Dense difference = moved(a, -1.0, b);
  const double size = std::sqrt(inner(b, b));
  return std::sqrt(inner(difference, difference)) / (size > 0 ? size : 1.0);
}

/// Checks a naive backward pass against its forward pass: ⟨gradient, direction⟩ = ∂ ⟨dy, f(x + s direction)⟩.
inline void check_gradient(const char* what, const Dense& gradient, const Dense& direction, const Dense& dy,
                           const std::function<Dense(double)>& forward) {
  const double expected = inner(dy, derivative(forward)), actual = inner(gradient, direction);
  CHECK_CLOSE(what, actual, expected, 1e-7 * (1.0 + std::fabs(expected)));
}

/// Device memory for `count` values.
template <class T>
class Buffer {
 public:
  Buffer(Device& device, int64_t count)
      : device_(device), count_(count), memory_(static_cast<T*>(device.allocate(size_t(count) * sizeof(T)))) {}
  Buffer(Device& device, const std::vector<T>& values) : Buffer(device, int64_t(values.size())) { set(values); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { device_.release(memory_); }

  T* data() { return memory_; }
  void set(const std::vector<T>& values) { device_.upload(memory_, values.data(), values.size() * sizeof(T)); }
  std::vector<T> get() {
    std::vector<T> values(static_cast<size_t>(count_));
    device_.download(values.data(), memory_, values.size() * sizeof(T));
    return values;
  }

 private:
  Device& device_;
  int64_t count_;
  T* memory_;
};

/// A float64 number as float32 or bfloat16, ties to even, and back.
template <class T>
T narrowed(double x);
template <>
inline float narrowed<float>(double x) {
  return float(x);
}
template <>
inline Bf16 narrowed<Bf16>(double x) {
  const float value = float(x);
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return {uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}
inline double widened(float x) { return x; }
inline double widened(Bf16 x) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// A matrix in device memory, `gap` sentinels after each row; starts as sentinels throughout.
template <class T>
class StridedOf {
 public:
  StridedOf(Device& device, int64_t rows, int64_t cols, int64_t gap = kGap)
      : rows_(rows),
        cols_(cols),
        stride_(cols + gap),
        buffer_(device, std::vector<T>(size_t(rows * (cols + gap)), narrowed<T>(kSentinel))) {}
  StridedOf(Device& device, const Dense& values, int64_t gap = kGap)
      : StridedOf(device, values.rows, values.cols, gap) {
    set(values);
  }

  int64_t rows() const { return rows_; }

  operator Mat() {
    static_assert(std::is_same_v<T, float>);
    return {buffer_.data(), rows_, cols_, stride_};
  }
  operator ConstMat() { return Mat(*this); }
  operator AnyMat() { return {buffer_.data(), rows_, cols_, stride_, kType}; }
  operator ConstAnyMat() { return AnyMat(*this); }

  void set(const Dense& values) {
    std::vector<T> all = buffer_.get();
    for (int64_t r = 0; r < rows_; ++r)
      for (int64_t c = 0; c < cols_; ++c) all[size_t(r * stride_ + c)] = narrowed<T>(values(r, c));
    buffer_.set(all);
  }

  /// The matrix as float64; fails the test where a sentinel was overwritten.
  Dense get() {
    const std::vector<T> all = buffer_.get();
    Dense values(rows_, cols_);
    bool gaps_kept = true;
    for (int64_t r = 0; r < rows_; ++r) {
      const T* row = all.data() + r * stride_;
      for (int64_t c = 0; c < cols_; ++c) values(r, c) = widened(row[c]);
      for (int64_t c = cols_; c < stride_; ++c) gaps_kept = gaps_kept && widened(row[c]) == kSentinel;
    }
    CHECK(gaps_kept);
    return values;
  }

 private:
  static constexpr Type kType = std::is_same_v<T, float> ? Type::f32 : Type::bf16;
  static constexpr int64_t kGap = 3;
  static constexpr double kSentinel = 1232;  // a bfloat16 number

  int64_t rows_, cols_, stride_;
  Buffer<T> buffer_;
};

using Strided = StridedOf<float>;
using StridedBf16 = StridedOf<Bf16>;

/// A float64 vector as a float32 device vector.
inline std::vector<float> narrow(const Dense& values) { return {values.values.begin(), values.values.end()}; }

/// A device vector as a matrix of one row.
template <class T>
Dense widen(const std::vector<T>& values) {
  Dense row(1, int64_t(values.size()));
  row.values.assign(values.begin(), values.end());
  return row;
}

inline void expect_close(const std::string& what, const Dense& actual, const Dense& expected, double tolerance) {
  CHECK_CLOSE(what.c_str(), relative_error(actual, expected), 0.0, tolerance);
}

}  // namespace gradfold::test
