// One AdamW step (Loshchilov & Hutter 2019) in one pass over memory.
#include <math.h>

#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

/// Parameters below which a parallel region costs more than it saves.
static constexpr int64_t kWorthwhile = 16384;

/// Subnormal moments become zero. Without this the moments of parameters that get no gradient (tokens not seen for some
/// hundred steps) decay into the subnormal range and stay there, where every operation on them is slow.
static inline float flush_subnormal(float x) { return __builtin_fabsf(x) < __FLT_MIN__ ? 0.0f : x; }

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

}  // namespace gradfold::GRADFOLD_ISA
