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
          g_.window};
}

void Attention::turn(Pass& pass, const RotaryTable& rotary, const Dual& qkv, int direction) const {
  // Queries and keys are neighbours: one call turns both. The turn is linear, so tangents turn alike.
  const int64_t turned = g_.heads + g_.kv_heads;
  pass.device.rotary(qkv.value, turned, g_.head_dim, rotary.cos_sin, pass.positions, direction);
  if (pass.dual()) pass.device.rotary(qkv.tangent, turned, g_.head_dim, rotary.cos_sin, pass.positions, direction);
}

void Attention::forward(Pass& pass, const RotaryTable& rotary, const Dual& qkv, const Dual& out, float* lse) const {
  turn(pass, rotary, qkv, 1);
  pass.device.attention(shape(pass), qkv.value, out.value, lse);
  if (pass.dual()) pass.device.attention_tangent(shape(pass), qkv.value, qkv.tangent, lse, out.tangent);
}

void Attention::backward(Pass& pass, const RotaryTable& rotary, const Dual& qkv, const Dual& out, const float* lse,
                         const Dual& dout, const Dual& dqkv) const {
  if (pass.dual()) {
    pass.device.attention_backward_tangent(shape(pass), qkv.value, qkv.tangent, lse, dout.value, dout.tangent,
                                           dqkv.value, dqkv.tangent);
  } else {
    pass.device.attention_backward(shape(pass), qkv.value, out.value, lse, dout.value, dqkv.value);
  }
  turn(pass, rotary, dqkv, -1);
}

}  // namespace gradfold
