// From the residual stream to what the output projection reads: a norm (LLaMA, GPT-2), or dense, activation and norm
// (BERT's prediction head).
#pragma once

#include <memory>
#include <optional>

#include "activation.h"
#include "linear.h"
#include "norm.h"

namespace gradfold {

class HeadTransform {
 public:
  struct Dense {
    Linear linear;
    std::unique_ptr<Activation> activation;
  };
  struct Saved {
    AnyDual inner;  // before the activation; only with a dense layer
    Dual norm_input;
    Norm::Saved norm;
  };

  HeadTransform(std::optional<Dense> dense, std::unique_ptr<Norm> norm)
      : dense_(std::move(dense)), norm_(std::move(norm)) {}

  Saved take_saved(Pass& pass, const Dual& x) const;
  void forward(Pass& pass, const Dual& x, const Saved& saved, const AnyDual& y) const;
  /// dx is overwritten. Rows are divided by `ranges`.
  void backward(Pass& pass, const AnyDual& dy, const Dual& x, const Saved& saved, const Ranges& ranges,
                const Dual& dx) const;

 private:
  std::optional<Dense> dense_;
  std::unique_ptr<Norm> norm_;
};

}  // namespace gradfold
