// y = x ∘ r ∘ w, r = (mean(x²) + eps)^(−1/2) per row (Zhang & Sennrich 2019).
#pragma once

#include "../pass.h"

namespace gradfold {

class RmsNorm {
 public:
  /// What backward needs beside x: r and ṙ of each row.
  struct Saved {
    float* rstd;
    float* rstd_tangent;
  };

  RmsNorm() = default;
  RmsNorm(const Weight& w, double eps) : w_(w), eps_(eps) {}

  Saved take_saved(Pass& pass, int64_t rows) const;
  void forward(Pass& pass, const Dual& x, const Dual& y, const Saved& saved) const;

  /// dx += the input gradient (and tangent); the weight's share goes where the pass wants it.
  void backward(Pass& pass, const Dual& dy, const Dual& x, const Saved& saved, const Ranges& ranges,
                const Dual& dx) const;

 private:
  Weight w_{};
  double eps_ = 0;
};

}  // namespace gradfold
