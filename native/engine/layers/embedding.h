// x_t = E[id_t], E [vocabulary × hidden].
#pragma once

#include "../pass.h"

namespace gradfold {

class Embedding {
 public:
  Embedding() = default;
  explicit Embedding(const Weight& w) : w_(w) {}
  const Weight& weight() const { return w_; }

  void forward(Pass& pass, const Dual& x) const {
    pass.device.gather_rows(pass.value_matrix(w_), pass.ids, x.value);
    if (pass.dual()) pass.device.gather_rows(pass.tangent_matrix(w_), pass.ids, x.tangent);
  }

  /// The lookup is linear in E, so the Hessian product's share is the same scatter applied to the tangent.
  void backward(Pass& pass, const Dual& dx) const {
    pass.device.sample_embedding(pass.groups, pass.dual() ? dx.tangent : dx.value,
                                 pass.statistics_over(pass.token_ranges), TargetOf(pass, w_));
  }

 private:
  Weight w_{};
};

}  // namespace gradfold
