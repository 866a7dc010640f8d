#include "optimizer.h"

#include <algorithm>
#include <cmath>

#include "arena.h"

namespace gradfold {

namespace {

constexpr double kClipEps = 1e-6;

double norm_of(Device& device, const float* x, int64_t count) { return std::sqrt(device.dot(x, x, count)); }

double clip_factor(double norm, double clip_norm) { return std::min(1.0, clip_norm / (norm + kClipEps)); }

/// The factor that a step applied to this gradient, and how it changes with the gradient: ∂s/∂g = −slope g.
struct Clip {
  double factor, slope;
};

Clip clip_of(Device& device, const float* gradient, double clip_norm, int64_t count) {
  if (std::isinf(clip_norm)) return {1, 0};
  const double norm = norm_of(device, gradient, count), factor = clip_factor(norm, clip_norm);
  // s = c / (n + ε) below 1, so ∂s/∂n = −s / (n + ε), and ∂n/∂g = g / n.
  return {factor, factor < 1 && norm > 0 ? factor / (norm * (norm + kClipEps)) : 0};
}

AdamwConstants constants_of(const AdamwStep& step, double gradient_scale) {
  const double k = static_cast<double>(step.step);
  return {step.lr,
          step.beta1,
          step.beta2,
          step.eps,
          step.weight_decay,
          1 - std::pow(step.beta1, k),
          1 - std::pow(step.beta2, k),
          gradient_scale};
}

}  // namespace

double sgd_step(Device& device, float* theta, const float* gradient, const SgdStep& step, int64_t count) {
  const double norm = norm_of(device, gradient, count);
  if (std::isfinite(norm)) device.axpy(theta, -step.lr * clip_factor(norm, step.clip_norm), gradient, count);
  return norm;
}

double adamw_step(Device& device, float* theta, float* m, float* v, const float* gradient, const AdamwStep& step,
                  int64_t count) {
  const double norm = norm_of(device, gradient, count);
  if (!std::isfinite(norm)) return norm;
  device.adamw(theta, m, v, gradient, constants_of(step, clip_factor(norm, step.clip_norm)), count);
  return norm;
}

void adamw_metric(Device& device, float* x, const float* v, const AdamwStep& step, int64_t count) {
  device.adamw_metric(x, v, constants_of(step, 1), count);
}

void sgd_adjoint(Device& device, const float* theta_adjoint, float* gradient, const SgdStep& step, int64_t count) {
  const Clip clip = clip_of(device, gradient, step.clip_norm, count);
  if (clip.slope == 0) {
    device.copy(gradient, theta_adjoint, count);
    device.scale(gradient, -step.lr * clip.factor, count);
    return;
  }
  const double along = device.dot(theta_adjoint, gradient, count);
  device.scale(gradient, step.lr * clip.slope * along, count);
  device.axpy(gradient, -step.lr * clip.factor, theta_adjoint, count);
}

void adamw_adjoint(Device& device, float* theta_adjoint, const float* m_adjoint, const float* v_adjoint, float* m,
                   float* v, float* gradient, const AdamwStep& step, int64_t count) {
  const Clip clip = clip_of(device, gradient, step.clip_norm, count);
  Arena scratch(device);
  float* unclipped = nullptr;
  if (clip.slope != 0) {
    unclipped = scratch.take<float>(count);
    device.copy(unclipped, gradient, count);
  }
  device.adamw_adjoint(theta_adjoint, m_adjoint, v_adjoint, m, v, gradient, constants_of(step, clip.factor), count);
  if (clip.slope == 0) return;
  const double along = device.dot(gradient, unclipped, count);
  device.scale(gradient, clip.factor, count);
  device.axpy(gradient, -clip.slope * along, unclipped, count);
}

}  // namespace gradfold
