#include "head_transform.h"

namespace gradfold {

HeadTransform::Saved HeadTransform::take_saved(Pass& pass, const Dual& x) const {
  const int64_t n = x.value.rows, d = x.value.cols;
  if (!dense_) return {x, x, norm_->take_saved(pass, n)};
  return {pass.take_stored(n, d, pass.activations), pass.take(n, d), norm_->take_saved(pass, n)};
}

void HeadTransform::forward(Pass& pass, const Dual& x, const Saved& saved, const AnyDual& y) const {
  if (dense_) {
    Arena::Scope scope(pass.arena);
    const AnyDual act = pass.take_stored(x.value.rows, x.value.cols);
    dense_->linear.forward(pass, pass.stored(x), saved.inner);
    dense_->activation->forward(pass, saved.inner, act);
    pass.device.convert(act.value, saved.norm_input.value);
    if (pass.dual()) pass.device.convert(act.tangent, saved.norm_input.tangent);
  }
  norm_->forward(pass, saved.norm_input, y, saved.norm);
}

void HeadTransform::backward(Pass& pass, const AnyDual& dy, const Dual& x, const Saved& saved, const Ranges& ranges,
                             const Dual& dx) const {
  pass.fill(dx, 0);
  norm_->backward(pass, dy, saved.norm_input, saved.norm, ranges, dx);
  if (!dense_) return;
  Arena::Scope scope(pass.arena);
  const AnyDual dinner = pass.take_stored(dx.value.rows, dx.value.cols);
  dense_->activation->backward(pass, saved.inner, pass.stored(dx), dinner);
  dense_->linear.parameter_gradient(pass, dinner, pass.stored(x), ranges);
  dense_->linear.backward(pass, dinner, dx);
}

}  // namespace gradfold
