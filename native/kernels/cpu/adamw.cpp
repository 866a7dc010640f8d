// One AdamW step (Loshchilov & Hutter 2019), its metric and its reverse, in one pass over memory each.
#include <math.h>

#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

/// Parameters below which a parallel region costs more than it saves.
static constexpr int64_t kWorthwhile = 16384;

/// Subnormal moments become zero. Without this the moments of parameters that get no gradient (tokens not seen for some
/// hundred steps) decay into the subnormal range and stay there, where every operation on them is slow.
static inline float flush_subnormal(float x) { return __builtin_fabsf(x) < __FLT_MIN__ ? 0.0f : x; }

/// adamw_adjoint with adjoints of the updated moments, or without. In float64: at a first step from zero moments the
/// paths through m and v all but cancel.
template <bool kMomentAdjoints>
static void reverse(float* theta_adjoint, const float* m_adjoint, const float* v_adjoint, float* m, float* v,
                    float* gradient, const AdamwConstants& c, int64_t count, int threads) {
  const double beta1 = c.beta1, one_minus_beta1 = 1.0 - c.beta1, beta2 = c.beta2, one_minus_beta2 = 1.0 - c.beta2;
  const double gradient_scale = c.gradient_scale, decay = c.lr * c.weight_decay, eps = c.eps;
  const double step = c.lr / c.correction1, root_scale = 1.0 / sqrt(c.correction2);
#pragma omp parallel for simd num_threads(threads) schedule(static) if (count > kWorthwhile)
  for (int64_t i = 0; i < count; ++i) {
    const double g = gradient_scale * gradient[i];
    const double m_new = beta1 * m[i] + one_minus_beta1 * g;
    const double root = sqrt(beta2 * v[i] + one_minus_beta2 * (g * g));
    const double inverse = 1.0 / (root * root_scale + eps);
    const double slope = root > 0.0 ? 0.5 * root_scale / root : 0.0;  // of √(v / correction2)
    const double along = step * theta_adjoint[i] * inverse;
    double by_m = -along, by_v = along * (m_new * inverse) * slope;
    if (kMomentAdjoints) {
      by_m += m_adjoint[i];
      by_v += v_adjoint[i];
    }
    gradient[i] = flush_subnormal(static_cast<float>(one_minus_beta1 * by_m + 2.0 * one_minus_beta2 * g * by_v));
    m[i] = flush_subnormal(static_cast<float>(beta1 * by_m));
    v[i] = flush_subnormal(static_cast<float>(beta2 * by_v));
    theta_adjoint[i] -= static_cast<float>(decay * theta_adjoint[i]);
  }
}

void CpuDevice::adamw(float* theta, float* m, float* v, const float* gradient, const AdamwConstants& c, int64_t count) {
  // Folded in float64; lr·wd is kept apart from 1, where float32 would lose most of its digits.
  const float gradient_scale = float(c.gradient_scale);
  const float beta1 = float(c.beta1), one_minus_beta1 = float(1.0 - c.beta1);
  const float beta2 = float(c.beta2), one_minus_beta2 = float(1.0 - c.beta2);
  const float decay = float(c.lr * c.weight_decay), eps = float(c.eps);
  const float step = float(c.lr / c.correction1), root_scale = float(1.0 / sqrt(c.correction2));
#pragma omp parallel for simd num_threads(threads_) schedule(static) if (count > kWorthwhile)
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient_scale * gradient[i];
    const float m_new = flush_subnormal(beta1 * m[i] + one_minus_beta1 * g);
    const float v_new = flush_subnormal(beta2 * v[i] + one_minus_beta2 * (g * g));
    m[i] = m_new;
    v[i] = v_new;
    theta[i] -= decay * theta[i] + step * m_new / (sqrtf(v_new) * root_scale + eps);
  }
}

void CpuDevice::adamw_metric(float* x, const float* v, const AdamwConstants& c, int64_t count) {
  const float beta2 = float(c.beta2), one_minus_beta2 = float(1.0 - c.beta2);
  const float eps = float(c.eps), root_scale = float(1.0 / sqrt(c.correction2));
#pragma omp parallel for simd num_threads(threads_) schedule(static) if (count > kWorthwhile)
  for (int64_t i = 0; i < count; ++i) x[i] /= sqrtf(beta2 * v[i] + one_minus_beta2 * (x[i] * x[i])) * root_scale + eps;
}

void CpuDevice::adamw_adjoint(float* theta_adjoint, const float* m_adjoint, const float* v_adjoint, float* m, float* v,
                              float* gradient, const AdamwConstants& c, int64_t count) {
  const auto sweep = m_adjoint ? reverse<true> : reverse<false>;
  sweep(theta_adjoint, m_adjoint, v_adjoint, m, v, gradient, c, count, threads_);
}

}  // namespace gradfold::GRADFOLD_ISA
