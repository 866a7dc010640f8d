// LayerNorm, y = u r ∘ w + b with u = x − μ and r = (mean(u²) + eps)^(−1/2), RMSNorm, the same with μ = 0 and no b, and
// their three derivatives (formulas: cpu/layer_norm.cpp, cpu/rms_norm.cpp). A block takes a row, or a chunk of rows one
// after another, and sums along them.
//
// kCentred: LayerNorm. Its mean and variance are summed in float64, the variance from u, so that rows of equal numbers
// have none, whatever their size. wb: w, then b where there is one.
#pragma once

#include <math.h>

#include <type_traits>

#include "reduce.cuh"
#include "samples.cuh"

namespace gradfold::cuda {

constexpr int kNormThreads = 256;
/// Tokens of a chunk of the backward passes: as many as float32 sums of parameter gradients are trusted with.
constexpr int64_t kNormChunk = 16;

/// Calls body(c) for this thread's packs of W of the d numbers of a row; W divides d.
template <int W, class Body>
__device__ __forceinline__ void for_row(int64_t d, Body body) {
  for (int64_t c = int64_t(threadIdx.x) * W; c < d; c += int64_t(blockDim.x) * W) body(c);
}

/// Σ over the row of kCount sums that body(c, sums) adds to, on all threads. Number: float for sums of few terms a
/// thread, which then meet in float64; double where terms may cancel.
template <int W, class Number, int kCount, class Body>
__device__ __forceinline__ void row_sums(int64_t d, double (&totals)[kCount], Body body) {
  Number sums[kCount] = {};
  for_row<W>(d, [&](int64_t c) { body(c, sums); });
#pragma unroll
  for (int k = 0; k < kCount; ++k) totals[k] = double(sums[k]);
  block_sums(totals);
}

/// What sums of the rows themselves are added in.
template <bool kCentred>
using RowNumber = std::conditional_t<kCentred, double, float>;

/// Vectors of parameters.
template <bool kCentred>
inline constexpr int kNormParts = kCentred ? 2 : 1;

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

/// mean [N] receives μ where there is one, rstd [N] r.
template <bool kCentred, class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    norm_kernel(View<const float> x, const float* wb, double eps, View<T> y, float* mean, float* rstd) {
  using Number = RowNumber<kCentred>;
  const int64_t t = blockIdx.x, d = x.cols;
  const float* in = x.row(t);
  float mu = 0.0f;
  if constexpr (kCentred) mu = mean_of_row<W>(in, d);
  double sums[1];
  row_sums<W, Number>(d, sums, [&](int64_t c, Number* sum) {
    float values[W];
    load_pack<W>(in + c, values);
#pragma unroll
    for (int i = 0; i < W; ++i) sum[0] += Number(values[i] - mu) * Number(values[i] - mu);
  });
  const float r = float(1.0 / sqrt(sums[0] / double(d) + eps));
  if (threadIdx.x == 0) {
    if (kCentred) mean[t] = mu;
    rstd[t] = r;
  }
  for_row<W>(d, [&](int64_t c) {
    float values[W], scales[W], shifts[W] = {};
    load_pack<W>(in + c, values);
    load_pack<W>(wb + c, scales);
    if (kCentred) load_pack<W>(wb + d + c, shifts);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      values[i] = (values[i] - mu) * r * scales[i];
      if (kCentred) values[i] += shifts[i];
    }
    store_pack<W>(y.row(t) + c, values);
  });
}

// μ̇ = mean(ẋ), u̇ = ẋ − μ̇, ṙ = −r³ mean(u ∘ u̇); ẏ = (u̇ r + u ṙ) ∘ w + u r ∘ ẇ + ḃ
template <bool kCentred, class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    norm_tangent_kernel(View<const float> x, View<const float> x_dot, const float* wb, const float* wb_dot,
                        const float* mean, const float* rstd, View<T> y_dot, float* mean_dot, float* rstd_dot) {
  using Number = RowNumber<kCentred>;
  const int64_t t = blockIdx.x, d = x.cols;
  const float *in = x.row(t), *in_dot = x_dot.row(t);
  float mu = 0.0f, mu_dot = 0.0f;
  if constexpr (kCentred) {
    mu = mean[t];
    mu_dot = mean_of_row<W>(in_dot, d);
  }
  double sums[1];
  row_sums<W, Number>(d, sums, [&](int64_t c, Number* sum) {
    float values[W], dots[W];
    load_pack<W>(in + c, values);
    load_pack<W>(in_dot + c, dots);
#pragma unroll
    for (int i = 0; i < W; ++i) sum[0] += Number(values[i] - mu) * Number(dots[i] - mu_dot);
  });
  const double r64 = rstd[t];
  const float r = rstd[t], r_dot = float(-r64 * r64 * r64 * (sums[0] / double(d)));
  if (threadIdx.x == 0) {
    if (kCentred) mean_dot[t] = mu_dot;
    rstd_dot[t] = r_dot;
  }
  for_row<W>(d, [&](int64_t c) {
    float values[W], dots[W], scales[W], scale_dots[W], shift_dots[W] = {};
    load_pack<W>(in + c, values);
    load_pack<W>(in_dot + c, dots);
    load_pack<W>(wb + c, scales);
    load_pack<W>(wb_dot + c, scale_dots);
    if (kCentred) load_pack<W>(wb_dot + d + c, shift_dots);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const float u = values[i] - mu, u_dot = dots[i] - mu_dot;
      values[i] = (u_dot * r + u * r_dot) * scales[i] + u * r * scale_dots[i];
      if (kCentred) values[i] += shift_dots[i];
    }
    store_pack<W>(y_dot.row(t) + c, values);
  });
}

/// A block's sums over tokens for each parameter, in shared memory: every thread touches its own packs of for_row
/// alone, so that they need no barriers.
template <int W, int kParts>
struct TokenSums {
  SharedArray<Pack<float, W>> sums;
  int64_t d;

  __device__ __forceinline__ TokenSums(SharedArray<unsigned char> memory, int64_t d_)
      : sums(shared_part<Pack<float, W>>(memory, 0, kParts * d_ / W)), d(d_) {}

  __device__ __forceinline__ void zero() const {
    for_row<W>(d, [&](int64_t c) {
#pragma unroll
      for (int part = 0; part < kParts; ++part) sums[(part * d + c) / W] = Pack<float, W>{};
    });
  }

  __device__ __forceinline__ void add(int part, int64_t c, const float (&values)[W]) const {
    Pack<float, W> pack = sums[(part * d + c) / W];
#pragma unroll
    for (int i = 0; i < W; ++i) pack.values[i] += values[i];
    sums[(part * d + c) / W] = pack;
  }

  __device__ __forceinline__ void put(float* out) const {
    for_row<W>(d, [&](int64_t c) {
#pragma unroll
      for (int part = 0; part < kParts; ++part)
        *reinterpret_cast<Pack<float, W>*>(out + part * d + c) = sums[(part * d + c) / W];
    });
  }
};

// With g = dy ∘ w, m = mean(g) (RMSNorm: 0), c = mean(g ∘ u): dx += r (g − m) − u r³ c; pieces of dw = Σ_t dy ∘ u r,
// then db = Σ_t dy. Blocks take chunks from `first` on.
template <bool kCentred, class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    norm_backward_kernel(View<const T> dy, View<const float> x, const float* w, const float* mean, const float* rstd,
                         Samples samples, int64_t first, View<float> dx, float* pieces) {
  GRADFOLD_DYNAMIC_SHARED(memory);
  constexpr int kParts = kNormParts<kCentred>;
  const int64_t d = x.cols;
  const TokenSums<W, kParts> gradient(memory, d);
  const auto token = [&](int64_t t) {
    const T* out = dy.row(t);
    const float* in = x.row(t);
    float* din = dx.row(t);
    const float mu = kCentred ? mean[t] : 0.0f;
    double sums[kParts];  // g ∘ u, then g
    row_sums<W, float>(d, sums, [&](int64_t c, float* sum) {
      float os[W], values[W], scales[W];
      load_pack<W>(out + c, os);
      load_pack<W>(in + c, values);
      load_pack<W>(w + c, scales);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        const float g = os[i] * scales[i];
        sum[0] += g * (values[i] - mu);
        if (kCentred) sum[kParts - 1] += g;
      }
    });
    // In float64, rounded once: dx is a sum over all layers, and what is left of it for a token can be far smaller.
    const double r64 = rstd[t], along = r64 * r64 * r64 * (sums[0] / double(d));
    const double m = kCentred ? sums[kParts - 1] / double(d) : 0.0;
    const float r = rstd[t];
    for_row<W>(d, [&](int64_t c) {
      float os[W], values[W], scales[W], dins[W], shares[W];
      load_pack<W>(out + c, os);
      load_pack<W>(in + c, values);
      load_pack<W>(w + c, scales);
      load_pack<W>(din + c, dins);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        const float u = values[i] - mu;
        dins[i] = float(double(dins[i]) + (r64 * (double(os[i]) * double(scales[i]) - m) - double(u) * along));
        shares[i] = os[i] * (u * r);
      }
      store_pack<W>(din + c, dins);
      gradient.add(0, c, shares);
      if (kCentred) gradient.add(1, c, os);
    });
  };
  walk_pieces(
      samples, first + blockIdx.x, kNormChunk, [&] { gradient.zero(); }, token,
      [&](int64_t piece) { gradient.put(pieces + (piece - first) * kParts * d); });
}

/// A row and what its gradient is made of, with their tangents.
template <class T>
struct DualRow {
  const T *dy, *dy_dot;
  const float *x, *x_dot, *w, *w_dot;
  float mean, mean_dot;
};

/// One pack of it: dy, g = dy ∘ w, u = x − μ, and their tangents.
template <int W>
struct DualPack {
  float out[W], out_dot[W], g[W], g_dot[W], u[W], u_dot[W];

  template <class T>
  __device__ __forceinline__ DualPack(const DualRow<T>& row, int64_t c) {
    float scales[W], scale_dots[W];
    load_pack<W>(row.dy + c, out);
    load_pack<W>(row.dy_dot + c, out_dot);
    load_pack<W>(row.x + c, u);
    load_pack<W>(row.x_dot + c, u_dot);
    load_pack<W>(row.w + c, scales);
    load_pack<W>(row.w_dot + c, scale_dots);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      g[i] = out[i] * scales[i];
      g_dot[i] = out_dot[i] * scales[i] + out[i] * scale_dots[i];
      u[i] -= row.mean;
      u_dot[i] -= row.mean_dot;
    }
  }
};

// With g, m, c as above, ġ = dẏ ∘ w + dy ∘ ẇ, ṁ = mean(ġ) (RMSNorm: 0), ċ = mean(ġ ∘ u + g ∘ u̇):
//   ḋx += ṙ (g − m) + r (ġ − ṁ) − u̇ r³ c − u (3 r² ṙ c + r³ ċ)
//   pieces of ḋw = Σ_t dẏ ∘ u r + dy ∘ (u̇ r + u ṙ), then ḋb = Σ_t dẏ
template <bool kCentred, class T, int W>
__global__ void __launch_bounds__(kNormThreads)
    norm_backward_tangent_kernel(View<const T> dy, View<const T> dy_dot, View<const float> x, View<const float> x_dot,
                                 const float* w, const float* w_dot, const float* mean, const float* rstd,
                                 const float* mean_dot, const float* rstd_dot, Samples samples, int64_t first,
                                 View<float> dx_dot, float* pieces) {
  GRADFOLD_DYNAMIC_SHARED(memory);
  constexpr int kParts = kNormParts<kCentred>;
  const int64_t d = x.cols;
  const TokenSums<W, kParts> gradient(memory, d);
  const auto token = [&](int64_t t) {
    const DualRow<T> row{dy.row(t),
                         dy_dot.row(t),
                         x.row(t),
                         x_dot.row(t),
                         w,
                         w_dot,
                         kCentred ? mean[t] : 0.0f,
                         kCentred ? mean_dot[t] : 0.0f};
    float* din_dot = dx_dot.row(t);
    double sums[2 * kParts];  // g ∘ u and its tangent, then g and its tangent
    row_sums<W, float>(d, sums, [&](int64_t c, float* sum) {
      const DualPack<W> p(row, c);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        sum[0] += p.g[i] * p.u[i];
        sum[1] += p.g_dot[i] * p.u[i] + p.g[i] * p.u_dot[i];
        if (kCentred) {
          sum[2 * kParts - 2] += p.g[i];
          sum[2 * kParts - 1] += p.g_dot[i];
        }
      }
    });
    const double r64 = rstd[t], r64_dot = rstd_dot[t], along64 = sums[0] / double(d), along64_dot = sums[1] / double(d);
    const float r = rstd[t], r_dot = rstd_dot[t], along = float(r64 * r64 * r64 * along64);
    const float along_dot = float(r64 * r64 * (3 * r64_dot * along64 + r64 * along64_dot));
    const float m = kCentred ? float(sums[2 * kParts - 2] / double(d)) : 0.0f;
    const float m_dot = kCentred ? float(sums[2 * kParts - 1] / double(d)) : 0.0f;
    for_row<W>(d, [&](int64_t c) {
      const DualPack<W> p(row, c);
      float dins[W], shares[W];
      load_pack<W>(din_dot + c, dins);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        dins[i] += r_dot * (p.g[i] - m) + r * (p.g_dot[i] - m_dot) - p.u_dot[i] * along - p.u[i] * along_dot;
        shares[i] = p.out_dot[i] * (p.u[i] * r) + p.out[i] * (p.u_dot[i] * r + p.u[i] * r_dot);
      }
      store_pack<W>(din_dot + c, dins);
      gradient.add(0, c, shares);
      if (kCentred) gradient.add(1, c, p.out_dot);
    });
  };
  walk_pieces(
      samples, first + blockIdx.x, kNormChunk, [&] { gradient.zero(); }, token,
      [&](int64_t piece) { gradient.put(pieces + (piece - first) * kParts * d); });
}

}  // namespace gradfold::cuda
