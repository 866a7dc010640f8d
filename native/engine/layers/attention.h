// Grouped-query self-attention with rotary positions, on projected queries, keys and values lying side by side.
#pragma once

#include "../pass.h"

namespace gradfold {

struct AttentionGeometry {
  int64_t heads, kv_heads, head_dim;
  bool causal;
  int64_t window;  // 0: none

  int64_t query_width() const { return heads * head_dim; }
  int64_t qkv_width() const { return (heads + 2 * kv_heads) * head_dim; }
};

/// cos and sin of every (position, pair), on the device.
struct RotaryTable {
  const float* cos_sin;
};

class Attention {
 public:
  explicit Attention(const AttentionGeometry& geometry) : g_(geometry) {}

  /// Turns queries and keys in place, then attends. lse [heads × N] is kept for backward.
  void forward(Pass& pass, const RotaryTable& rotary, const Dual& qkv, const Dual& out, float* lse) const;

  /// d(qkv before turning) from d(out); qkv as forward left it.
  void backward(Pass& pass, const RotaryTable& rotary, const Dual& qkv, const Dual& out, const float* lse,
                const Dual& dout, const Dual& dqkv) const;

 private:
  AttentionShape shape(const Pass& pass) const;
  void turn(Pass& pass, const RotaryTable& rotary, const Dual& qkv, int direction) const;

  AttentionGeometry g_;
};

}  // namespace gradfold
