// Grouped-query self-attention on projected queries, keys and values lying side by side, positions rotary or none.
#pragma once

#include "../pass.h"
#include "rotary.h"

namespace gradfold {

struct AttentionGeometry {
  int64_t heads, kv_heads, head_dim;
  bool causal;
  int64_t window;  // 0: none

  int64_t query_width() const { return heads * head_dim; }
  int64_t qkv_width() const { return (heads + 2 * kv_heads) * head_dim; }
};

class Attention {
 public:
  /// The table outlives the layer.
  Attention(const AttentionGeometry& geometry, const Rotary& rotary) : g_(geometry), rotary_(&rotary) {}
  const AttentionGeometry& geometry() const { return g_; }

  /// Turns queries and keys in place, then attends. lse [heads × N] is kept for backward.
  void forward(Pass& pass, const AnyDual& qkv, const AnyDual& out, float* lse) const;

  /// d(qkv before turning) from d(out); qkv as forward left it.
  void backward(Pass& pass, const AnyDual& qkv, const AnyDual& out, const float* lse, const AnyDual& dout,
                const AnyDual& dqkv) const;

 private:
  AttentionShape shape(const Pass& pass) const;

  AttentionGeometry g_;
  const Rotary* rotary_;
};

}  // namespace gradfold
