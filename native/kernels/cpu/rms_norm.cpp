// RMSNorm (Zhang & Sennrich 2019), y = x ∘ r ∘ w with r = (mean(x²) + eps)^(−1/2), and its three derivatives. A row
// comes from memory once and is swept again while it is in cache. Loops with several stores read all they need first: a
// load behind a store to an equal address modulo 4096, as rows of large matrices have, waits for it.
#include <math.h>

#include "cpu_device.h"
#include "row_sums.h"
#include "simd.h"
#include "token_sums.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::rms_norm(ConstMat x, const float* w, double eps, AnyMat y, float* rstd) {
  const int64_t d = x.cols;
  with_type(y.type, [&](auto number) {
    using T = decltype(number);
    const View<T> ys = view_as<T>(y);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < x.rows; ++t) {
      const float* in = x.data + t * x.stride;
      T* out = ys.row(t);
      const float r = float(1.0 / sqrt(long_dot(in, in, d) / double(d) + eps));
      rstd[t] = r;
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) out[j] = from_float<T>(in[j] * r * w[j]);
    }
  });
}

// ṙ = −r³ mean(x ∘ ẋ); ẏ = (ẋ r + x ṙ) ∘ w + x r ∘ ẇ
void CpuDevice::rms_norm_tangent(ConstMat x, ConstMat x_dot, const float* w, const float* w_dot, const float* rstd,
                                 AnyMat y_dot, float* rstd_dot) {
  const int64_t d = x.cols;
  with_type(y_dot.type, [&](auto number) {
    using T = decltype(number);
    const View<T> ys_dot = view_as<T>(y_dot);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < x.rows; ++t) {
      const float *in = x.data + t * x.stride, *in_dot = x_dot.data + t * x_dot.stride;
      T* out_dot = ys_dot.row(t);
      const double along = long_dot(in, in_dot, d) / double(d), r64 = rstd[t];
      const float r = rstd[t], r_dot = float(-r64 * r64 * r64 * along);
      rstd_dot[t] = r_dot;
#pragma omp simd
      for (int64_t j = 0; j < d; ++j)
        out_dot[j] = from_float<T>((in_dot[j] * r + in[j] * r_dot) * w[j] + in[j] * r * w_dot[j]);
    }
  });
}

// With g = dy ∘ w: dx = r g − x r³ mean(g ∘ x)
void CpuDevice::rms_norm_backward(ConstAnyMat dy, ConstMat x, const float* w, const float* rstd, int64_t samples,
                                  const int32_t* begin, Mat dx, Mat rows) {
  const int64_t d = x.cols;
  for (int thread = 0; thread < threads_; ++thread) scratch(thread, token_sums_bytes(d));
  const auto store = [&](int64_t sample, const double* sum) {
    float* dw = rows.data + sample * rows.stride;
    for (int64_t j = 0; j < d; ++j) dw[j] = float(sum[j]);
  };
  with_type(dy.type, [&](auto number) {
    using T = decltype(number);
    const View<const T> dys = view_as<T>(dy);
    const auto row = [=](int64_t t, float* dw) {
      const T* out = dys.row(t);
      const float* in = x.data + t * x.stride;
      float* din = dx.data + t * dx.stride;
      const double c = row_sum(d, [=](int64_t j) { return to_float(out[j]) * w[j] * in[j]; }) / double(d);
      // In float64, rounded once: dx is a sum over all layers, and what is left of it for a token can be far smaller.
      const double r64 = rstd[t], along = r64 * r64 * r64 * c;
      const float r = rstd[t];
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) {
        const float o = to_float(out[j]), value = in[j];
        din[j] = float(double(din[j]) + (r64 * (double(o) * double(w[j])) - double(value) * along));
        dw[j] += o * (value * r);
      }
    };
    sum_over_tokens(threads_, scratch_, samples, begin, d, row, store);
  });
}

// With g = dy ∘ w, ġ = dẏ ∘ w + dy ∘ ẇ, c = mean(g ∘ x), ċ = mean(ġ ∘ x + g ∘ ẋ):
//   ḋx = ṙ g + r ġ − ẋ r³ c − x (3 r² ṙ c + r³ ċ),  ḋw = Σ_t dẏ ∘ x r + dy ∘ (ẋ r + x ṙ)
void CpuDevice::rms_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot,
                                          const float* w, const float* w_dot, const float* rstd, const float* rstd_dot,
                                          Mat dx_dot, float* dw_dot) {
  const int64_t d = x.cols;
  for (int thread = 0; thread < threads_; ++thread) scratch(thread, token_sums_bytes(d));
  const auto store = [=](int64_t, const double* sum) {
    for (int64_t j = 0; j < d; ++j) dw_dot[j] += float(sum[j]);
  };
  const int32_t begin[2] = {0, int32_t(x.rows)};
  with_type(dy.type, [&](auto number) {
    using T = decltype(number);
    const View<const T> dys = view_as<T>(dy), dys_dot = view_as<T>(dy_dot);
    const auto row = [=](int64_t t, float* dw) {
      const T *out = dys.row(t), *out_dot = dys_dot.row(t);
      const float *in = x.data + t * x.stride, *in_dot = x_dot.data + t * x_dot.stride;
      float* din_dot = dx_dot.data + t * dx_dot.stride;
      const RowSums sums = row_sums(d, [=](int64_t j) {
        const float o = to_float(out[j]), g = o * w[j], g_dot = to_float(out_dot[j]) * w[j] + o * w_dot[j];
        return FloatPair{g * in[j], g_dot * in[j] + g * in_dot[j]};
      });
      const double r64 = rstd[t], r64_dot = rstd_dot[t], c = sums.a / double(d), c_dot = sums.b / double(d);
      const float r = rstd[t], r_dot = rstd_dot[t], along = float(r64 * r64 * r64 * c),
                  along_dot = float(r64 * r64 * (3 * r64_dot * c + r64 * c_dot));
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) {
        const float o = to_float(out[j]), o_dot = to_float(out_dot[j]), value = in[j], value_dot = in_dot[j];
        din_dot[j] += r_dot * (o * w[j]) + r * (o_dot * w[j] + o * w_dot[j]) - value_dot * along - value * along_dot;
        dw[j] += o_dot * (value * r) + o * (value_dot * r + value * r_dot);
      }
    };
    sum_over_tokens(threads_, scratch_, 1, begin, d, row, store);
  });
}

}  // namespace gradfold::GRADFOLD_ISA
