// AdamW, its metric and its reverse (formulas: kernels.h, cpu/adamw.cpp), in one pass over memory each.
#pragma once

#include <math.h>

#include "elementwise.cuh"

namespace gradfold::cuda {

/// Subnormal moments become zero, as on the CPU, so that both keep the same state.
__device__ __forceinline__ float flush_subnormal(float x) { return fabsf(x) < 1.17549435e-38f ? 0.0f : x; }

struct AdamwOp {
  float *theta, *m, *v;
  const float* gradient;
  float gradient_scale, beta1, one_minus_beta1, beta2, one_minus_beta2, decay, eps, step, root_scale;

  template <int W>
  __device__ void apply(int64_t, int64_t c) const {
    float thetas[W], ms[W], vs[W], gs[W];
    load_pack<W>(theta + c, thetas);
    load_pack<W>(m + c, ms);
    load_pack<W>(v + c, vs);
    load_pack<W>(gradient + c, gs);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const float g = gradient_scale * gs[i];
      ms[i] = flush_subnormal(beta1 * ms[i] + one_minus_beta1 * g);
      vs[i] = flush_subnormal(beta2 * vs[i] + one_minus_beta2 * (g * g));
      thetas[i] -= decay * thetas[i] + step * ms[i] / (sqrtf(vs[i]) * root_scale + eps);
    }
    store_pack<W>(m + c, ms);
    store_pack<W>(v + c, vs);
    store_pack<W>(theta + c, thetas);
  }
};

struct AdamwMetricOp {
  float* x;
  const float* v;
  float beta2, one_minus_beta2, eps, root_scale;

  template <int W>
  __device__ void apply(int64_t, int64_t c) const {
    float xs[W], vs[W];
    load_pack<W>(x + c, xs);
    load_pack<W>(v + c, vs);
#pragma unroll
    for (int i = 0; i < W; ++i) xs[i] /= sqrtf(beta2 * vs[i] + one_minus_beta2 * (xs[i] * xs[i])) * root_scale + eps;
    store_pack<W>(x + c, xs);
  }
};

/// In float64: at a first step from zero moments the paths through m and v all but cancel.
template <bool kMomentAdjoints>
struct AdamwAdjointOp {
  float* theta_adjoint;
  const float *m_adjoint, *v_adjoint;
  float *m, *v, *gradient;
  double gradient_scale, beta1, beta2, decay, eps, step, root_scale;

  template <int W>
  __device__ void apply(int64_t, int64_t c) const {
    float thetas[W], ms[W], vs[W], gs[W], m_adjoints[W] = {}, v_adjoints[W] = {};
    load_pack<W>(theta_adjoint + c, thetas);
    load_pack<W>(m + c, ms);
    load_pack<W>(v + c, vs);
    load_pack<W>(gradient + c, gs);
    if (kMomentAdjoints) {
      load_pack<W>(m_adjoint + c, m_adjoints);
      load_pack<W>(v_adjoint + c, v_adjoints);
    }
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const double g = gradient_scale * gs[i];
      const double m_new = beta1 * ms[i] + (1.0 - beta1) * g;
      const double root = sqrt(beta2 * vs[i] + (1.0 - beta2) * (g * g));
      const double inverse = 1.0 / (root * root_scale + eps);
      const double slope = root > 0.0 ? 0.5 * root_scale / root : 0.0;  // of √(v / correction2)
      const double along = step * thetas[i] * inverse;
      const double by_m = -along + m_adjoints[i], by_v = along * (m_new * inverse) * slope + v_adjoints[i];
      gs[i] = flush_subnormal(float((1.0 - beta1) * by_m + 2.0 * (1.0 - beta2) * g * by_v));
      ms[i] = flush_subnormal(float(beta1 * by_m));
      vs[i] = flush_subnormal(float(beta2 * by_v));
      thetas[i] -= float(decay * thetas[i]);
    }
    store_pack<W>(gradient + c, gs);
    store_pack<W>(m + c, ms);
    store_pack<W>(v + c, vs);
    store_pack<W>(theta_adjoint + c, thetas);
  }
};

}  // namespace gradfold::cuda
