// Normalisation of rows with learned gains: what the blocks know of it.
#pragma once

#include <memory>

#include "../pass.h"

namespace gradfold {

class Norm {
 public:
  /// What backward needs beside x, one number a row; null where a norm has no use for it.
  struct Saved {
    float *mean, *rstd, *mean_tangent, *rstd_tangent;
  };

  virtual ~Norm() = default;
  virtual Saved take_saved(Pass& pass, int64_t rows) const = 0;
  virtual void forward(Pass& pass, const Dual& x, const AnyDual& y, const Saved& saved) const = 0;
  /// dx += the input gradient (and tangent); the parameters' share goes where the pass wants it.
  virtual void backward(Pass& pass, const AnyDual& dy, const Dual& x, const Saved& saved, const Ranges& ranges,
                        const Dual& dx) const = 0;
};

/// y = x ∘ r ∘ w, r = (mean(x²) + eps)^(−1/2) per row (Zhang & Sennrich 2019).
std::unique_ptr<Norm> make_rms_norm(const Weight& w, double eps);

/// y = (x − μ) r ∘ w + b, r = (var(x) + eps)^(−1/2) per row (Ba et al. 2016); the weight is w, then b.
std::unique_ptr<Norm> make_layer_norm(const Weight& wb, double eps);

}  // namespace gradfold
