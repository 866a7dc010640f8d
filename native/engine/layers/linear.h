// y = x Wᵀ, W [out × in].
#pragma once

#include "../pass.h"

namespace gradfold {

class Linear {
 public:
  Linear() = default;
  explicit Linear(const Weight& w) : w_(w) {}
  const Weight& weight() const { return w_; }

  /// y = x Wᵀ + beta y;  ẏ = ẋWᵀ + xẆᵀ + beta ẏ.
  void forward(Pass& pass, const Dual& x, const Dual& y, float beta = 0) const;

  /// dx = dy W + beta dx;  ḋx = ḋy W + dy Ẇ + beta ḋx.
  void backward(Pass& pass, const Dual& dy, const Dual& dx, float beta = 0) const;

  /// The weight's share: per sample G_iᵀX_i with its statistics, or of the Hessian product ḋyᵀx + dyᵀẋ. The rows of x
  /// and dy are those that `ranges` divides.
  void parameter_gradient(Pass& pass, const Dual& dy, const Dual& x, const Ranges& ranges) const;

 private:
  Weight w_{};
};

}  // namespace gradfold
