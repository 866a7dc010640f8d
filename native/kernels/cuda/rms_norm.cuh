// RMSNorm, y = x ∘ r ∘ w with r = (mean(x²) + eps)^(−1/2), and its three derivatives (formulas: cpu/rms_norm.cpp).
#pragma once

#include <math.h>

#include "norms.cuh"

namespace gradfold::cuda {

template <class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    rms_norm_kernel(View<const float> x, const float* w, double eps, View<T> y, float* rstd) {
  const int64_t t = blockIdx.x, d = x.cols;
  const float* in = x.row(t);
  double sums[1];
  row_sums<W, float>(d, sums, [&](int64_t c, float* sum) {
    float values[W];
    load_pack<W>(in + c, values);
#pragma unroll
    for (int i = 0; i < W; ++i) sum[0] += values[i] * values[i];
  });
  const float r = float(1.0 / sqrt(sums[0] / double(d) + eps));
  if (threadIdx.x == 0) rstd[t] = r;
  for_row<W>(d, [&](int64_t c) {
    float values[W], scales[W];
    load_pack<W>(in + c, values);
    load_pack<W>(w + c, scales);
#pragma unroll
    for (int i = 0; i < W; ++i) values[i] = values[i] * r * scales[i];
    store_pack<W>(y.row(t) + c, values);
  });
}

// ṙ = −r³ mean(x ∘ ẋ); ẏ = (ẋ r + x ṙ) ∘ w + x r ∘ ẇ
template <class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    rms_norm_tangent_kernel(View<const float> x, View<const float> x_dot, const float* w, const float* w_dot,
                            const float* rstd, View<T> y_dot, float* rstd_dot) {
  const int64_t t = blockIdx.x, d = x.cols;
  const float *in = x.row(t), *in_dot = x_dot.row(t);
  double sums[1];
  row_sums<W, float>(d, sums, [&](int64_t c, float* sum) {
    float values[W], dots[W];
    load_pack<W>(in + c, values);
    load_pack<W>(in_dot + c, dots);
#pragma unroll
    for (int i = 0; i < W; ++i) sum[0] += values[i] * dots[i];
  });
  const double r64 = rstd[t];
  const float r = rstd[t], r_dot = float(-r64 * r64 * r64 * (sums[0] / double(d)));
  if (threadIdx.x == 0) rstd_dot[t] = r_dot;
  for_row<W>(d, [&](int64_t c) {
    float values[W], dots[W], scales[W], scale_dots[W];
    load_pack<W>(in + c, values);
    load_pack<W>(in_dot + c, dots);
    load_pack<W>(w + c, scales);
    load_pack<W>(w_dot + c, scale_dots);
#pragma unroll
    for (int i = 0; i < W; ++i)
      values[i] = (dots[i] * r + values[i] * r_dot) * scales[i] + values[i] * r * scale_dots[i];
    store_pack<W>(y_dot.row(t) + c, values);
  });
}

// With g = dy ∘ w: dx += r g − x r³ mean(g ∘ x); pieces of dw = Σ_t dy ∘ x r
template <class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    rms_norm_backward_kernel(View<const T> dy, View<const float> x, const float* w, const float* rstd, Samples samples,
                             View<float> dx, float* pieces) {
  GRADFOLD_DYNAMIC_SHARED(memory);
  const int64_t d = x.cols;
  const TokenSums<W> dw = shared_part<Pack<float, W>>(memory, 0, d / W);
  const auto token = [&](int64_t t) {
    const T* out = dy.row(t);
    const float* in = x.row(t);
    float* din = dx.row(t);
    double sums[1];
    row_sums<W, float>(d, sums, [&](int64_t c, float* sum) {
      float os[W], values[W], scales[W];
      load_pack<W>(out + c, os);
      load_pack<W>(in + c, values);
      load_pack<W>(w + c, scales);
#pragma unroll
      for (int i = 0; i < W; ++i) sum[0] += os[i] * scales[i] * values[i];
    });
    // In float64, rounded once: dx is a sum over all layers, and what is left of it for a token can be far smaller.
    const double r64 = rstd[t], along = r64 * r64 * r64 * (sums[0] / double(d));
    const float r = rstd[t];
    for_row<W>(d, [&](int64_t c) {
      float os[W], values[W], scales[W], dins[W], shares[W];
      load_pack<W>(out + c, os);
      load_pack<W>(in + c, values);
      load_pack<W>(w + c, scales);
      load_pack<W>(din + c, dins);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        dins[i] = float(double(dins[i]) + (r64 * (double(os[i]) * double(scales[i])) - double(values[i]) * along));
        shares[i] = os[i] * (values[i] * r);
      }
      store_pack<W>(din + c, dins);
      add_to_sums<W>(dw, c, shares);
    });
  };
  walk_pieces(
      samples, blockIdx.x, kNormChunk, [&] { zero_sums<W>(dw, d); }, token,
      [&](int64_t piece) { put_sums<W>(dw, d, pieces + piece * d); });
}

// With g = dy ∘ w, ġ = dẏ ∘ w + dy ∘ ẇ, c = mean(g ∘ x), ċ = mean(ġ ∘ x + g ∘ ẋ):
//   ḋx += ṙ g + r ġ − ẋ r³ c − x (3 r² ṙ c + r³ ċ); pieces of ḋw = Σ_t dẏ ∘ x r + dy ∘ (ẋ r + x ṙ)
template <class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    rms_norm_backward_tangent_kernel(View<const T> dy, View<const T> dy_dot, View<const float> x,
                                     View<const float> x_dot, const float* w, const float* w_dot, const float* rstd,
                                     const float* rstd_dot, Samples samples, View<float> dx_dot, float* pieces) {
  GRADFOLD_DYNAMIC_SHARED(memory);
  const int64_t d = x.cols;
  const TokenSums<W> dw = shared_part<Pack<float, W>>(memory, 0, d / W);
  const auto token = [&](int64_t t) {
    const T *out = dy.row(t), *out_dot = dy_dot.row(t);
    const float *in = x.row(t), *in_dot = x_dot.row(t);
    float* din_dot = dx_dot.row(t);
    double sums[2];
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
        sum[0] += g * values[i];
        sum[1] += g_dot * values[i] + g * dots[i];
      }
    });
    const double r64 = rstd[t], r64_dot = rstd_dot[t], mean = sums[0] / double(d), mean_dot = sums[1] / double(d);
    const float r = rstd[t], r_dot = rstd_dot[t], along = float(r64 * r64 * r64 * mean);
    const float along_dot = float(r64 * r64 * (3 * r64_dot * mean + r64 * mean_dot));
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
        dins[i] += r_dot * (os[i] * scales[i]) + r * (o_dots[i] * scales[i] + os[i] * scale_dots[i]) - dots[i] * along -
                   values[i] * along_dot;
        shares[i] = o_dots[i] * (values[i] * r) + os[i] * (dots[i] * r + values[i] * r_dot);
      }
      store_pack<W>(din_dot + c, dins);
      add_to_sums<W>(dw, c, shares);
    });
  };
  walk_pieces(
      samples, blockIdx.x, kNormChunk, [&] { zero_sums<W>(dw, d); }, token,
      [&](int64_t piece) { put_sums<W>(dw, d, pieces + piece * d); });
}

}  // namespace gradfold::cuda
