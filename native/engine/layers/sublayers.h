// The two halves of a transformer block, each from its operand to what it adds to the residual stream.
#pragma once

#include "activation.h"
#include "attention.h"
#include "linear.h"

namespace gradfold {

class AttentionSublayer {
 public:
  struct Saved {
    AnyDual qkv, attended;
    float* lse;
  };

  AttentionSublayer(const Linear& qkv, const Linear& out, const Attention& attention)
      : qkv_(qkv), out_(out), attention_(attention) {}

  Saved take_saved(Pass& pass) const;
  /// residual += out(attention(qkv(x)))
  void forward(Pass& pass, const AnyDual& x, const Saved& saved, const Dual& residual) const;
  /// dx = the input gradient, from the residual's gradient dy as an operand; parameter gradients on the way.
  void backward(Pass& pass, const AnyDual& x, const Saved& saved, const AnyDual& dy, const AnyDual& dx) const;

 private:
  Linear qkv_, out_;
  Attention attention_;
};

class MlpSublayer {
 public:
  struct Saved {
    AnyDual up;  // before the activation
  };

  /// The activation outlives the layer.
  MlpSublayer(const Linear& up, const Linear& down, const Activation& activation, int64_t inner)
      : up_(up), down_(down), activation_(&activation), inner_(inner) {}

  Saved take_saved(Pass& pass) const;
  /// saved.up = up(x)
  void expand(Pass& pass, const AnyDual& x, const Saved& saved) const;
  /// residual += down(activation(saved.up))
  void contract(Pass& pass, const Saved& saved, const Dual& residual) const;
  /// As AttentionSublayer::backward. Activations are computed again: they cost no product and would be half of what is
  /// kept.
  void backward(Pass& pass, const AnyDual& x, const Saved& saved, const AnyDual& dy, const AnyDual& dx) const;

 private:
  Linear up_, down_;
  const Activation* activation_;
  int64_t inner_;
};

}  // namespace gradfold
