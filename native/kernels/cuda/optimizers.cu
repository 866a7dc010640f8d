// Optimizers of the CUDA device.
#include "cuda_device.h"
#include "elementwise.h"
#include "optimizers.cuh"

namespace gradfold::cuda {

namespace {

constexpr int kPack = 4;

template <class... Vectors>
bool aligned(const Vectors*... vectors) {
  return (in_packs<kPack>(vectors) && ...);
}

}  // namespace

void CudaDevice::adamw(float* theta, float* m, float* v, const float* gradient, const AdamwConstants& c,
                       int64_t count) {
  // Folded in float64; lr·wd is kept apart from 1, where float32 would lose most of its digits.
  AdamwOp op{theta, m, v, gradient, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  op.gradient_scale = static_cast<float>(c.gradient_scale);
  op.beta1 = static_cast<float>(c.beta1);
  op.one_minus_beta1 = static_cast<float>(1.0 - c.beta1);
  op.beta2 = static_cast<float>(c.beta2);
  op.one_minus_beta2 = static_cast<float>(1.0 - c.beta2);
  op.decay = static_cast<float>(c.lr * c.weight_decay);
  op.eps = static_cast<float>(c.eps);
  op.step = static_cast<float>(c.lr / c.correction1);
  op.root_scale = static_cast<float>(1.0 / sqrt(c.correction2));
  run_elementwise<kPack>(stream_, "adamw", op, 1, count, aligned(theta, m, v, gradient));
}

void CudaDevice::adamw_metric(float* x, const float* v, const AdamwConstants& c, int64_t count) {
  const AdamwMetricOp op{x,
                         v,
                         static_cast<float>(c.beta2),
                         static_cast<float>(1.0 - c.beta2),
                         static_cast<float>(c.eps),
                         static_cast<float>(1.0 / sqrt(c.correction2))};
  run_elementwise<kPack>(stream_, "adamw_metric", op, 1, count, aligned(x, v));
}

void CudaDevice::adamw_adjoint(float* theta_adjoint, const float* m_adjoint, const float* v_adjoint, float* m, float* v,
                               float* gradient, const AdamwConstants& c, int64_t count) {
  const auto run = [&](auto op) {
    op = {theta_adjoint,
          m_adjoint,
          v_adjoint,
          m,
          v,
          gradient,
          c.gradient_scale,
          c.beta1,
          c.beta2,
          c.lr * c.weight_decay,
          c.eps,
          c.lr / c.correction1,
          1.0 / sqrt(c.correction2)};
    run_elementwise<kPack>(stream_, "adamw_adjoint", op, 1, count,
                           aligned(theta_adjoint, m_adjoint, v_adjoint, m, v, gradient));
  };
  if (m_adjoint != nullptr)
    run(AdamwAdjointOp<true>{});
  else
    run(AdamwAdjointOp<false>{});
}

}  // namespace gradfold::cuda
