// LayerNorm (Ba, Kiros & Hinton 2016), y = u r ∘ w + b with u = x − μ and r = (mean(u²) + eps)^(−1/2), and its three
// derivatives. A row comes from memory once and is swept again while it is in cache. Mean and variance are summed in
// float64, the variance from u, so that rows of equal numbers have none, whatever their size.
#include <math.h>

#include "cpu_device.h"
#include "row_sums.h"
#include "token_sums.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

/// mean(x), rounded once
static float mean_of(const float* x, int64_t d) {
  return float(wide_row_sum(d, [=](int64_t j) { return double(x[j]); }) / double(d));
}

void CpuDevice::layer_norm(ConstMat x, const float* wb, double eps, AnyMat y, float* mean, float* rstd) {
  const int64_t d = x.cols;
  const float *w = wb, *b = wb + d;
  with_type(y.type, [&](auto number) {
    using T = decltype(number);
    const View<T> ys = view_as<T>(y);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < x.rows; ++t) {
      const float* in = x.data + t * x.stride;
      T* out = ys.row(t);
      const float mu = mean_of(in, d);
      const double variance =
          wide_row_sum(d, [=](int64_t j) { return double(in[j] - mu) * double(in[j] - mu); }) / double(d);
      const float r = float(1.0 / sqrt(variance + eps));
      mean[t] = mu;
      rstd[t] = r;
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) out[j] = from_float<T>((in[j] - mu) * r * w[j] + b[j]);
    }
  });
}

// μ̇ = mean(ẋ), u̇ = ẋ − μ̇, ṙ = −r³ mean(u ∘ u̇); ẏ = (u̇ r + u ṙ) ∘ w + u r ∘ ẇ + ḃ
void CpuDevice::layer_norm_tangent(ConstMat x, ConstMat x_dot, const float* wb, const float* wb_dot, const float* mean,
                                   const float* rstd, AnyMat y_dot, float* mean_dot, float* rstd_dot) {
  const int64_t d = x.cols;
  const float *w = wb, *w_dot = wb_dot, *b_dot = wb_dot + d;
  with_type(y_dot.type, [&](auto number) {
    using T = decltype(number);
    const View<T> ys_dot = view_as<T>(y_dot);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < x.rows; ++t) {
      const float *in = x.data + t * x.stride, *in_dot = x_dot.data + t * x_dot.stride;
      T* out_dot = ys_dot.row(t);
      const float mu = mean[t], mu_dot = mean_of(in_dot, d);
      const double covariance =
          wide_row_sum(d, [=](int64_t j) { return double(in[j] - mu) * double(in_dot[j] - mu_dot); }) / double(d);
      const double r64 = rstd[t];
      const float r = rstd[t], r_dot = float(-r64 * r64 * r64 * covariance);
      mean_dot[t] = mu_dot;
      rstd_dot[t] = r_dot;
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) {
        const float u = in[j] - mu, u_dot = in_dot[j] - mu_dot;
        out_dot[j] = from_float<T>((u_dot * r + u * r_dot) * w[j] + (u * r * w_dot[j] + b_dot[j]));
      }
    }
  });
}

// With g = dy ∘ w, m = mean(g), c = mean(g ∘ u): dx = r (g − m) − u r³ c
void CpuDevice::layer_norm_backward(ConstAnyMat dy, ConstMat x, const float* wb, const float* mean, const float* rstd,
                                    int64_t samples, const int32_t* begin, Mat dx, Mat rows) {
  const int64_t d = x.cols;
  const float* w = wb;
  for (int thread = 0; thread < threads_; ++thread) scratch(thread, token_sums_bytes(2 * d));
  const auto store = [&](int64_t sample, const double* sum) {
    float* dwb = rows.data + sample * rows.stride;
    for (int64_t j = 0; j < 2 * d; ++j) dwb[j] = float(sum[j]);
  };
  with_type(dy.type, [&](auto number) {
    using T = decltype(number);
    const View<const T> dys = view_as<T>(dy);
    const auto row = [=](int64_t t, float* dw) {
      const T* out = dys.row(t);
      const float* in = x.data + t * x.stride;
      float *din = dx.data + t * dx.stride, *db = dw + d;
      const float mu = mean[t], r = rstd[t];
      const RowSums sums = row_sums(d, [=](int64_t j) {
        const float g = to_float(out[j]) * w[j];
        return FloatPair{g, g * (in[j] - mu)};
      });
      const double r64 = rstd[t];
      const float m = float(sums.a / double(d)), along = float(r64 * r64 * r64 * sums.b / double(d));
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) {
        const float o = to_float(out[j]), u = in[j] - mu;
        din[j] += r * (o * w[j] - m) - u * along;
        dw[j] += o * (u * r);
        db[j] += o;
      }
    };
    sum_over_tokens(threads_, scratch_, samples, begin, 2 * d, row, store);
  });
}

// With g, m, c as above, ġ = dẏ ∘ w + dy ∘ ẇ, ṁ = mean(ġ), ċ = mean(ġ ∘ u + g ∘ u̇):
//   ḋx = ṙ (g − m) + r (ġ − ṁ) − u̇ r³ c − u (3 r² ṙ c + r³ ċ),  ḋw = Σ_t dẏ ∘ u r + dy ∘ (u̇ r + u ṙ),  ḋb = Σ_t dẏ
void CpuDevice::layer_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot,
                                            const float* wb, const float* wb_dot, const float* mean, const float* rstd,
                                            const float* mean_dot, const float* rstd_dot, Mat dx_dot, float* dwb_dot) {
  const int64_t d = x.cols;
  const float *w = wb, *w_dot = wb_dot;
  for (int thread = 0; thread < threads_; ++thread) scratch(thread, token_sums_bytes(2 * d));
  const auto store = [=](int64_t, const double* sum) {
    for (int64_t j = 0; j < 2 * d; ++j) dwb_dot[j] += float(sum[j]);
  };
  const int32_t begin[2] = {0, int32_t(x.rows)};
  with_type(dy.type, [&](auto number) {
    using T = decltype(number);
    const View<const T> dys = view_as<T>(dy), dys_dot = view_as<T>(dy_dot);
    const auto row = [=](int64_t t, float* dw) {
      const T *out = dys.row(t), *out_dot = dys_dot.row(t);
      const float *in = x.data + t * x.stride, *in_dot = x_dot.data + t * x_dot.stride;
      float *din_dot = dx_dot.data + t * dx_dot.stride, *db = dw + d;
      const float mu = mean[t], mu_dot = mean_dot[t], r = rstd[t], r_dot = rstd_dot[t];
      const RowSums means = row_sums(d, [=](int64_t j) {
        const float o = to_float(out[j]);
        return FloatPair{o * w[j], to_float(out_dot[j]) * w[j] + o * w_dot[j]};
      });
      const RowSums dots = row_sums(d, [=](int64_t j) {
        const float o = to_float(out[j]), g = o * w[j], g_dot = to_float(out_dot[j]) * w[j] + o * w_dot[j];
        const float u = in[j] - mu, u_dot = in_dot[j] - mu_dot;
        return FloatPair{g * u, g_dot * u + g * u_dot};
      });
      const double r64 = rstd[t], r64_dot = rstd_dot[t], c = dots.a / double(d), c_dot = dots.b / double(d);
      const float m = float(means.a / double(d)), m_dot = float(means.b / double(d));
      const float along = float(r64 * r64 * r64 * c), along_dot = float(r64 * r64 * (3 * r64_dot * c + r64 * c_dot));
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) {
        const float o = to_float(out[j]), o_dot = to_float(out_dot[j]), u = in[j] - mu, u_dot = in_dot[j] - mu_dot;
        const float g = o * w[j], g_dot = o_dot * w[j] + o * w_dot[j];
        din_dot[j] += r_dot * (g - m) + r * (g_dot - m_dot) - u_dot * along - u * along_dot;
        dw[j] += o_dot * (u * r) + o * (u_dot * r + u * r_dot);
        db[j] += o_dot;
      }
    };
    sum_over_tokens(threads_, scratch_, 1, begin, 2 * d, row, store);
  });
}

}  // namespace gradfold::GRADFOLD_ISA
