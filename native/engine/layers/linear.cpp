#include "linear.h"

namespace gradfold {

void Linear::forward(Pass& pass, const Dual& x, const Dual& y, float beta) const {
  Device& device = pass.device;
  device.matmul(x.value, false, pass.value_matrix(w_), true, y.value, beta);
  if (!pass.dual()) return;
  device.matmul(x.tangent, false, pass.value_matrix(w_), true, y.tangent, beta);
  device.matmul(x.value, false, pass.tangent_matrix(w_), true, y.tangent, 1);
}

void Linear::backward(Pass& pass, const Dual& dy, const Dual& dx, float beta) const {
  Device& device = pass.device;
  device.matmul(dy.value, false, pass.value_matrix(w_), false, dx.value, beta);
  if (!pass.dual()) return;
  device.matmul(dy.tangent, false, pass.value_matrix(w_), false, dx.tangent, beta);
  device.matmul(dy.value, false, pass.tangent_matrix(w_), false, dx.tangent, 1);
}

void Linear::parameter_gradient(Pass& pass, const Dual& dy, const Dual& x, const Ranges& ranges) const {
  if (!pass.dual()) {
    pass.device.sample_products(dy.value, x.value, pass.statistics_over(ranges), TargetOf(pass, w_));
    return;
  }
  const Mat share{pass.gradient + w_.offset, w_.rows, w_.cols, w_.cols};
  pass.device.matmul(dy.tangent, true, x.value, false, share, 1);
  pass.device.matmul(dy.value, true, x.tangent, false, share, 1);
}

}  // namespace gradfold
