// LayerNorm, y = u r ∘ w + b with u = x − μ and r = (mean(u²) + eps)^(−1/2), and its three derivatives (formulas:
// cpu/layer_norm.cpp). Mean and variance are summed in float64, the variance from u, so that rows of equal numbers have
// none, whatever their size.
#pragma once

#include <math.h>

#include "norms.cuh"

namespace gradfold::cuda {

/// mean(x), rounded once
template <int W>
__device__ __forceinline__ float mean_of_row(const float* x, int64_t d) {
  double sums[1];
  row_sums<W, double>(d, sums, [&](int64_t c, double* sum) {
    float values[W];
    load_pack<W>(x + c, values);
#pragma unroll
    for (int i = 0; i < W; ++i) sum[0] += double(values[i]);
  });
  return float(sums[0] / double(d));
}

template <class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    layer_norm_kernel(View<const float> x, const float* wb, double eps, View<T> y, float* mean, float* rstd) {
  const int64_t t = blockIdx.x, d = x.cols;
  const float* in = x.row(t);
  const float mu = mean_of_row<W>(in, d);
  double sums[1];
  row_sums<W, double>(d, sums, [&](int64_t c, double* sum) {
    float values[W];
    load_pack<W>(in + c, values);
#pragma unroll
    for (int i = 0; i < W; ++i) sum[0] += double(values[i] - mu) * double(values[i] - mu);
  });
  const float r = float(1.0 / sqrt(sums[0] / double(d) + eps));
  if (threadIdx.x == 0) {
    mean[t] = mu;
    rstd[t] = r;
  }
  for_row<W>(d, [&](int64_t c) {
    float values[W], scales[W], shifts[W];
    load_pack<W>(in + c, values);
    load_pack<W>(wb + c, scales);
    load_pack<W>(wb + d + c, shifts);
#pragma unroll
    for (int i = 0; i < W; ++i) values[i] = (values[i] - mu) * r * scales[i] + shifts[i];
    store_pack<W>(y.row(t) + c, values);
  });
}

// μ̇ = mean(ẋ), u̇ = ẋ − μ̇, ṙ = −r³ mean(u ∘ u̇); ẏ = (u̇ r + u ṙ) ∘ w + u r ∘ ẇ + ḃ
template <class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    layer_norm_tangent_kernel(View<const float> x, View<const float> x_dot, const float* wb, const float* wb_dot,
                              const float* mean, const float* rstd, View<T> y_dot, float* mean_dot, float* rstd_dot) {
  const int64_t t = blockIdx.x, d = x.cols;
  const float *in = x.row(t), *in_dot = x_dot.row(t);
  const float mu = mean[t], mu_dot = mean_of_row<W>(in_dot, d);
  double sums[1];
  row_sums<W, double>(d, sums, [&](int64_t c, double* sum) {
    float values[W], dots[W];
    load_pack<W>(in + c, values);
    load_pack<W>(in_dot + c, dots);
#pragma unroll
    for (int i = 0; i < W; ++i) sum[0] += double(values[i] - mu) * double(dots[i] - mu_dot);
  });
  const double r64 = rstd[t];
  const float r = rstd[t], r_dot = float(-r64 * r64 * r64 * (sums[0] / double(d)));
  if (threadIdx.x == 0) {
    mean_dot[t] = mu_dot;
    rstd_dot[t] = r_dot;
  }
  for_row<W>(d, [&](int64_t c) {
    float values[W], dots[W], scales[W], scale_dots[W], shift_dots[W];
    load_pack<W>(in + c, values);
    load_pack<W>(in_dot + c, dots);
    load_pack<W>(wb + c, scales);
    load_pack<W>(wb_dot + c, scale_dots);
    load_pack<W>(wb_dot + d + c, shift_dots);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const float u = values[i] - mu, u_dot = dots[i] - mu_dot;
      values[i] = (u_dot * r + u * r_dot) * scales[i] + (u * r * scale_dots[i] + shift_dots[i]);
    }
    store_pack<W>(y_dot.row(t) + c, values);
  });
}

// With g = dy ∘ w, m = mean(g), c = mean(g ∘ u): dx += r (g − m) − u r³ c; pieces of dw = Σ_t dy ∘ u r, then db = Σ_t
// dy
template <class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    layer_norm_backward_kernel(View<const T> dy, View<const float> x, const float* w, const float* mean,
                               const float* rstd, Samples samples, View<float> dx, float* pieces) {
  GRADFOLD_DYNAMIC_SHARED(memory);
  const int64_t d = x.cols;
  const TokenSums<W> dw = shared_part<Pack<float, W>>(memory, 0, d / W);
  const TokenSums<W> db = shared_part<Pack<float, W>>(memory, d * int64_t(sizeof(float)), d / W);
  const auto token = [&](int64_t t) {
    const T* out = dy.row(t);
    const float* in = x.row(t);
    float* din = dx.row(t);
    const float mu = mean[t], r = rstd[t];
    double sums[2];
    row_sums<W, float>(d, sums, [&](int64_t c, float* sum) {
      float os[W], values[W], scales[W];
      load_pack<W>(out + c, os);
      load_pack<W>(in + c, values);
      load_pack<W>(w + c, scales);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        const float g = os[i] * scales[i];
        sum[0] += g;
        sum[1] += g * (values[i] - mu);
      }
    });
    const double r64 = rstd[t];
    const float m = float(sums[0] / double(d)), along = float(r64 * r64 * r64 * sums[1] / double(d));
    for_row<W>(d, [&](int64_t c) {
      float os[W], values[W], scales[W], dins[W], shares[W];
      load_pack<W>(out + c, os);
      load_pack<W>(in + c, values);
      load_pack<W>(w + c, scales);
      load_pack<W>(din + c, dins);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        const float u = values[i] - mu;
        dins[i] += r * (os[i] * scales[i] - m) - u * along;
        shares[i] = os[i] * (u * r);
      }
      store_pack<W>(din + c, dins);
      add_to_sums<W>(dw, c, shares);
      add_to_sums<W>(db, c, os);
    });
  };
  walk_pieces(
      samples, blockIdx.x, kNormChunk,
      [&] {
        zero_sums<W>(dw, d);
        zero_sums<W>(db, d);
      },
      token,
      [&](int64_t piece) {
        put_sums<W>(dw, d, pieces + piece * 2 * d);
        put_sums<W>(db, d, pieces + piece * 2 * d + d);
      });
}

// With g, m, c as above, ġ = dẏ ∘ w + dy ∘ ẇ, ṁ = mean(ġ), ċ = mean(ġ ∘ u + g ∘ u̇):
//   ḋx += ṙ (g − m) + r (ġ − ṁ) − u̇ r³ c − u (3 r² ṙ c + r³ ċ)
//   pieces of ḋw = Σ_t dẏ ∘ u r + dy ∘ (u̇ r + u ṙ), then ḋb = Σ_t dẏ
template <class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    layer_norm_backward_tangent_kernel(View<const T> dy, View<const T> dy_dot, View<const float> x,
                                       View<const float> x_dot, const float* w, const float* w_dot, const float* mean,
                                       const float* rstd, const float* mean_dot, const float* rstd_dot, Samples samples,
                                       View<float> dx_dot, float* pieces) {
  GRADFOLD_DYNAMIC_SHARED(memory);
  const int64_t d = x.cols;
  const TokenSums<W> dw = shared_part<Pack<float, W>>(memory, 0, d / W);
  const TokenSums<W> db = shared_part<Pack<float, W>>(memory, d * int64_t(sizeof(float)), d / W);
  const auto token = [&](int64_t t) {
    const T *out = dy.row(t), *out_dot = dy_dot.row(t);
    const float *in = x.row(t), *in_dot = x_dot.row(t);
    float* din_dot = dx_dot.row(t);
    const float mu = mean[t], mu_dot = mean_dot[t], r = rstd[t], r_dot = rstd_dot[t];
    double sums[4];
    row_sums<W, float>(d, sums, [&](int64_t c, float* sum) {
      float os[W], o_dots[W], values[W], dots[W], scales[W], scale_dots[W];
      load_pack<W>(out + c, os);
      load_pack<W>(out_dot + c, o_dots);
      load_pack<W>(in + c, values);
      load_pack<W>(in_dot + c, dots);
      load_pack<W>(w + c, scales);
      load_pack<W>(w_dot + c, scale_dots);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        const float g = os[i] * scales[i], g_dot = o_dots[i] * scales[i] + os[i] * scale_dots[i];
        const float u = values[i] - mu, u_dot = dots[i] - mu_dot;
        sum[0] += g;
        sum[1] += g_dot;
        sum[2] += g * u;
        sum[3] += g_dot * u + g * u_dot;
      }
    });
    const double r64 = rstd[t], r64_dot = rstd_dot[t], along64 = sums[2] / double(d), along64_dot = sums[3] / double(d);
    const float m = float(sums[0] / double(d)), m_dot = float(sums[1] / double(d));
    const float along = float(r64 * r64 * r64 * along64);
    const float along_dot = float(r64 * r64 * (3 * r64_dot * along64 + r64 * along64_dot));
    for_row<W>(d, [&](int64_t c) {
      float os[W], o_dots[W], values[W], dots[W], scales[W], scale_dots[W], dins[W], shares[W];
      load_pack<W>(out + c, os);
      load_pack<W>(out_dot + c, o_dots);
      load_pack<W>(in + c, values);
      load_pack<W>(in_dot + c, dots);
      load_pack<W>(w + c, scales);
      load_pack<W>(w_dot + c, scale_dots);
      load_pack<W>(din_dot + c, dins);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        const float g = os[i] * scales[i], g_dot = o_dots[i] * scales[i] + os[i] * scale_dots[i];
        const float u = values[i] - mu, u_dot = dots[i] - mu_dot;
        dins[i] += r_dot * (g - m) + r * (g_dot - m_dot) - u_dot * along - u * along_dot;
        shares[i] = o_dots[i] * (u * r) + os[i] * (u_dot * r + u * r_dot);
      }
      store_pack<W>(din_dot + c, dins);
      add_to_sums<W>(dw, c, shares);
      add_to_sums<W>(db, c, o_dots);
    });
  };
  walk_pieces(
      samples, blockIdx.x, kNormChunk,
      [&] {
        zero_sums<W>(dw, d);
        zero_sums<W>(db, d);
      },
      token,
      [&](int64_t piece) {
        put_sums<W>(dw, d, pieces + piece * 2 * d);
        put_sums<W>(db, d, pieces + piece * 2 * d + d);
      });
}

}  // namespace gradfold::cuda
