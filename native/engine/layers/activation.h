// The nonlinearity between an MLP's two products: what the blocks know of it.
#pragma once

#include <memory>

#include "../pass.h"

namespace gradfold {

class Activation {
 public:
  virtual ~Activation() = default;
  /// Width of the first product's output for an inner width of ff.
  virtual int64_t input_width(int64_t ff) const = 0;
  virtual void forward(Pass& pass, const AnyDual& x, const AnyDual& y) const = 0;
  /// dx is overwritten.
  virtual void backward(Pass& pass, const AnyDual& x, const AnyDual& dy, const AnyDual& dx) const = 0;
};

/// silu(gate) ∘ up (Shazeer 2020), gate and up side by side.
std::unique_ptr<Activation> make_swiglu();

/// x Φ(x), or its approximation by tanh (Hendrycks & Gimpel 2016).
std::unique_ptr<Activation> make_gelu(Gelu form);

}  // namespace gradfold
