#include <utility>

#include "block.h"

namespace gradfold {

namespace {

/// Saved: first is the stream after attention; second is not used.
class PreNormBlock final : public Block {
 public:
  explicit PreNormBlock(BlockParts parts) : parts_(std::move(parts)) {}

  Saved take_saved(Pass& pass, const Dual& input) const override {
    const int64_t n = input.value.rows;
    return {input,
            pass.take(n, input.value.cols, pass.activations),
            {},
            parts_.attention.take_saved(pass),
            parts_.mlp.take_saved(pass),
            parts_.attention_norm->take_saved(pass, n),
            parts_.mlp_norm->take_saved(pass, n)};
  }

  void forward(Pass& pass, const Saved& saved, const Dual& output) const override {
    fill(pass, saved);
    pass.copy(saved.first, output);
    parts_.mlp.contract(pass, saved.mlp, output);
  }

  void fill(Pass& pass, const Saved& saved) const override {
    Arena::Scope scope(pass.arena);
    const Dual& middle = saved.first;
    const AnyDual normed = pass.take_stored(middle.value.rows, middle.value.cols);
    parts_.attention_norm->forward(pass, saved.input, normed, saved.attention_norm);
    pass.copy(saved.input, middle);
    parts_.attention.forward(pass, normed, saved.attention, middle);
    parts_.mlp_norm->forward(pass, middle, normed, saved.mlp_norm);
    parts_.mlp.expand(pass, normed, saved.mlp);
  }

  void backward(Pass& pass, const Saved& saved, const Dual& dx) const override {
    Arena::Scope scope(pass.arena);
    const int64_t n = dx.value.rows, d = dx.value.cols;
    const AnyDual normed = pass.take_stored(n, d);
    const Dual& middle = saved.first;
    parts_.mlp_norm->forward(pass, middle, normed, saved.mlp_norm);
    {
      Arena::Scope inner(pass.arena);
      const AnyDual dnormed = pass.take_stored(n, d, pass.input_gradients);
      parts_.mlp.backward(pass, normed, saved.mlp, pass.stored(dx), dnormed);
      parts_.mlp_norm->backward(pass, dnormed, middle, saved.mlp_norm, pass.token_ranges, dx);
    }
    pass.stop_if_cancelled();
    parts_.attention_norm->forward(pass, saved.input, normed, saved.attention_norm);
    const AnyDual dnormed = pass.take_stored(n, d, pass.input_gradients);
    parts_.attention.backward(pass, normed, saved.attention, pass.stored(dx), dnormed);
    parts_.attention_norm->backward(pass, dnormed, saved.input, saved.attention_norm, pass.token_ranges, dx);
  }

 private:
  BlockParts parts_;
};

}  // namespace

std::unique_ptr<Block> make_pre_norm_block(BlockParts parts) {
  return std::make_unique<PreNormBlock>(std::move(parts));
}

}  // namespace gradfold
