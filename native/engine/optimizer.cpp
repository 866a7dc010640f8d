#include "optimizer.h"

#include <algorithm>
#include <cmath>

namespace gradfold {

namespace {
double clip_factor(double norm, double clip_norm) { return std::min(1.0, clip_norm / (norm + 1e-6)); }
}  // namespace

double sgd_step(Device& device, float* theta, const float* gradient, const SgdStep& step, int64_t count) {
  const double norm = std::sqrt(device.dot(gradient, gradient, count));
  if (std::isfinite(norm)) device.axpy(theta, -step.lr * clip_factor(norm, step.clip_norm), gradient, count);
  return norm;
}

double adamw_step(Device& device, float* theta, float* m, float* v, const float* gradient, const AdamwStep& step,
                  int64_t count) {
  const double norm = std::sqrt(device.dot(gradient, gradient, count));
  if (!std::isfinite(norm)) return norm;
  const double k = static_cast<double>(step.step);
  device.adamw(theta, m, v, gradient,
               {step.lr, step.beta1, step.beta2, step.eps, step.weight_decay, 1 - std::pow(step.beta1, k),
                1 - std::pow(step.beta2, k), clip_factor(norm, step.clip_norm)},
               count);
  return norm;
}

}  // namespace gradfold
