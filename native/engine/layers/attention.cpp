#include "attention.h"

#include <cmath>

namespace gradfold {

AttentionShape Attention::shape(const Pass& pass) const {
  return {pass.batch.segments(),
          pass.segments,
          pass.batch.longest_segment,
          g_.heads,
          g_.kv_heads,
          g_.head_dim,
          static_cast<float>(1.0 / std::sqrt(static_cast<double>(g_.head_dim))),
          g_.causal,
          g_.window,
          pass.dual() || pass.traced()};
}

// Queries and keys are neighbours: one call turns both.

void Attention::forward(Pass& pass, const AnyDual& qkv, const AnyDual& out, float* lse) const {
  rotary_->turn(pass, g_.heads + g_.kv_heads, qkv, 1);
  if (!out.known) pass.device.attention(shape(pass), qkv.value, out.value, lse);
  if (pass.dual()) pass.device.attention_tangent(shape(pass), qkv.value, qkv.tangent, lse, out.tangent);
}

void Attention::backward(Pass& pass, const AnyDual& qkv, const AnyDual& out, const float* lse, const AnyDual& dout,
                         const AnyDual& dqkv) const {
  if (pass.dual()) {
    pass.device.attention_backward_tangent(shape(pass), qkv.value, qkv.tangent, lse, dout.value, dout.tangent,
                                           dqkv.value, dqkv.tangent);
  } else {
    pass.device.attention_backward(shape(pass), qkv.value, out.value, lse, dout.value, dqkv.value);
  }
  rotary_->turn(pass, g_.heads + g_.kv_heads, dqkv, -1);
}

}  // namespace gradfold
