// The trunk of every architecture: embedding and blocks, from token ids to the residual stream and back.
#pragma once

#include <memory>
#include <vector>

#include "config.h"
#include "layers/block.h"
#include "layers/embedding.h"
#include "layers/rotary.h"
#include "pass.h"

namespace gradfold {

/// A norm of the configured kind over `role`'s tensors.
std::unique_ptr<Norm> make_norm(const TransformerConfig& config, const Layout& layout, const std::string& role);

/// The tangent-approximated or exact GELU, or SwiGLU, as configured.
std::unique_ptr<Activation> make_activation(const TransformerConfig& config);

class Backbone {
 public:
  /// What backward needs of a forward sweep.
  struct Saved {
    Embedding::Saved embedding;
    std::vector<Dual> inputs;          // of each block
    std::vector<Block::Saved> blocks;  // none where they are computed again
    Dual output;                       // [N × hidden]
  };

  /// recompute: a sweep keeps the inputs of blocks alone, and backward computes what else it needs of a block again when
  /// it comes to it (Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost).
  Backbone(Device& device, const TransformerConfig& config, const Layout& layout, ParameterMemory& parameters,
           bool recompute);

  bool recomputes() const { return recompute_; }
  const Weight& token_table() const { return embedding_.tokens(); }

  /// Puts the batch's tables on the device; ready for a sweep.
  void begin(Pass& pass);
  /// Groups the tables' rows for backward, by the pass's token ranges.
  void group_rows(Pass& pass) const;

  /// The residual stream alone: nothing is kept, two streams take turns and one block's scratch serves all.
  Dual forward(Pass& pass) const;
  Saved forward_keeping(Pass& pass) const;
  /// dx [N × hidden]: gradient of the output on entry, of the embedding's sum of rows on return.
  void backward(Pass& pass, const Saved& saved, const Dual& dx) const;
  /// The tables' gradients, to be called last; with_tokens: unless a tied head accounts for the token table.
  void backward_tables(Pass& pass, const Dual& dx, bool with_tokens) const {
    embedding_.backward_tables(pass, dx, with_tokens);
  }

 private:
  int64_t hidden_;
  bool recompute_;
  std::unique_ptr<Activation> activation_;
  std::unique_ptr<Rotary> rotary_;
  Embedding embedding_;
  std::vector<std::unique_ptr<Block>> blocks_;
};

}  // namespace gradfold
