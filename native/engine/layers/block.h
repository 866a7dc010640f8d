// A transformer block: attention and MLP around the residual stream, each with its norm before or after it.
#pragma once

#include <memory>

#include "norm.h"
#include "sublayers.h"

namespace gradfold {

/// The parts of a block, whichever way they are joined.
struct BlockParts {
  std::unique_ptr<Norm> attention_norm, mlp_norm;
  AttentionSublayer attention;
  MlpSublayer mlp;
};

class Block {
 public:
  /// What backward needs. First and second are the residual stream where the joining says.
  struct Saved {
    Dual input, first, second;
    AttentionSublayer::Saved attention;
    MlpSublayer::Saved mlp;
    Norm::Saved attention_norm, mlp_norm;
  };

  virtual ~Block() = default;
  virtual Saved take_saved(Pass& pass, const Dual& input) const = 0;
  /// output is overwritten.
  virtual void forward(Pass& pass, const Saved& saved, const Dual& output) const = 0;
  /// What forward saves without its output.
  virtual void fill(Pass& pass, const Saved& saved) const = 0;
  /// dx: gradient of the block's output on entry, of its input on return. Norm outputs are computed again.
  virtual void backward(Pass& pass, const Saved& saved, const Dual& dx) const = 0;

  Saved filled(Pass& pass, const Dual& input) const {
    const Saved saved = take_saved(pass, input);
    fill(pass, saved);
    return saved;
  }
};

/// middle = x + attention(norm(x)); y = middle + mlp(norm(middle)) (LLaMA, GPT-2).
std::unique_ptr<Block> make_pre_norm_block(BlockParts parts);

/// middle = norm(x + attention(x)); y = norm(middle + mlp(middle)) (BERT).
std::unique_ptr<Block> make_post_norm_block(BlockParts parts);

}  // namespace gradfold
