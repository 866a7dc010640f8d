// A transformer's shape as the engine builds it; lib/model/shape.ts, explained to people there.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"

namespace gradfold {

enum class NormKind { rms, layer };
enum class NormPlacement { before, after };  // of the sublayer that a norm belongs to
enum class ActivationKind { swiglu, gelu, gelu_tanh };
enum class Objective { next_token, masked_token };
enum class Pooling { mean, last, first };

struct TransformerConfig {
  int64_t vocabulary, hidden, intermediate, layers, heads, kv_heads, head_dim;
  NormKind norm;
  double norm_eps;
  NormPlacement placement;
  ActivationKind activation;
  bool input_major;  // projections stored [in × out]
  Objective objective;
  bool causal;
  int64_t window;                           // 0: none
  std::vector<double> inverse_frequencies;  // [head_dim / 2] of rotary positions, or empty
  int64_t learned_positions, token_types;   // rows of these tables; 0: none
  bool tied_embeddings;
};

/// Throws INVALID_ARGUMENT unless every size is one that a table or product can have and they fit together.
void check_config(const TransformerConfig& config);

}  // namespace gradfold
