// Optimizer updates on flat vectors.
#pragma once

#include "../kernels/kernels.h"

namespace gradfold {

struct SgdStep {
  double lr, clip_norm;  // clip_norm: infinity for none
};

struct AdamwStep {
  double lr, clip_norm, beta1, beta2, eps, weight_decay;
  int64_t step;  // 1 for the first update
};

/// θ ← θ − lr s g, s = min(1, clip_norm / (‖g‖ + 1e-6)). Returns ‖g‖; when that is not finite nothing is changed.
double sgd_step(Device& device, float* theta, const float* gradient, const SgdStep& step, int64_t count);

/// AdamW (Loshchilov & Hutter 2019) with decoupled weight decay on every parameter; clipping and return value as
/// sgd_step.
double adamw_step(Device& device, float* theta, float* m, float* v, const float* gradient, const AdamwStep& step,
                  int64_t count);

/// x becomes what adamw_step would divide it to, were it the gradient of the update `step` (kernels.h, adamw_metric);
/// of the settings only beta2, eps and step count.
void adamw_metric(Device& device, float* x, const float* v, const AdamwStep& step, int64_t count);

/// The reverse of sgd_step for a scalar L of the updated θ: gradient, which that step was given, becomes ∂L/∂g.
/// theta_adjoint is ∂L/∂θ after the step and before it.
void sgd_adjoint(Device& device, const float* theta_adjoint, float* gradient, const SgdStep& step, int64_t count);

/// The reverse of adamw_step (kernels.h, adamw_adjoint), clipping included: gradient becomes ∂L/∂g.
void adamw_adjoint(Device& device, float* theta_adjoint, const float* m_adjoint, const float* v_adjoint, float* m,
                   float* v, float* gradient, const AdamwStep& step, int64_t count);

}  // namespace gradfold
