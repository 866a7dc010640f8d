#include <utility>

#include "block.h"

namespace gradfold {

namespace {

/// Saved: first and second are the sums before the two norms.
class PostNormBlock final : public Block {
 public:
  explicit PostNormBlock(BlockParts parts) : parts_(std::move(parts)) {}

  Saved take_saved(Pass& pass, const Dual& input) const override {
    const int64_t n = input.value.rows, d = input.value.cols;
    return {input,
            pass.take(n, d, pass.activations),
            pass.take(n, d, pass.activations),
            parts_.attention.take_saved(pass),
            parts_.mlp.take_saved(pass),
            parts_.attention_norm->take_saved(pass, n),
            parts_.mlp_norm->take_saved(pass, n)};
  }

  void forward(Pass& pass, const Saved& saved, const Dual& output) const override {
    Arena::Scope scope(pass.arena);
    const Dual middle = pass.take(output.value.rows, output.value.cols);
    pass.copy(saved.input, saved.first);
    parts_.attention.forward(pass, pass.stored(saved.input), saved.attention, saved.first);
    parts_.attention_norm->forward(pass, saved.first, middle, saved.attention_norm);
    pass.copy(middle, saved.second);
    parts_.mlp.expand(pass, pass.stored(middle), saved.mlp);
    parts_.mlp.contract(pass, saved.mlp, saved.second);
    parts_.mlp_norm->forward(pass, saved.second, output, saved.mlp_norm);
  }

  void fill(Pass& pass, const Saved& saved) const override {
    Arena::Scope scope(pass.arena);
    forward(pass, saved, pass.take(saved.input.value.rows, saved.input.value.cols));
  }

  void backward(Pass& pass, const Saved& saved, const Dual& dx) const override {
    Arena::Scope scope(pass.arena);
    const int64_t n = dx.value.rows, d = dx.value.cols;
    const AnyDual middle = pass.take_stored(n, d);
    const Dual dsum = pass.take(n, d);
    // The stream goes around a sublayer as well as through it: its gradient gains the share that came through.
    const auto through = [&](const auto& sublayer, const AnyDual& x, const auto& kept, const Dual& gradient) {
      Arena::Scope inner(pass.arena);
      const Dual share = pass.take(n, d, pass.input_gradients);
      sublayer.backward(pass, x, kept, pass.stored(gradient), share);
      pass.add(share, gradient);
    };
    pass.fill(dsum, 0);
    parts_.mlp_norm->backward(pass, dx, saved.second, saved.mlp_norm, pass.token_ranges, dsum);
    parts_.attention_norm->forward(pass, saved.first, middle, saved.attention_norm);
    through(parts_.mlp, middle, saved.mlp, dsum);
    pass.stop_if_cancelled();
    pass.fill(dx, 0);
    parts_.attention_norm->backward(pass, dsum, saved.first, saved.attention_norm, pass.token_ranges, dx);
    through(parts_.attention, pass.stored(saved.input), saved.attention, dx);
  }

 private:
  BlockParts parts_;
};

}  // namespace

std::unique_ptr<Block> make_post_norm_block(BlockParts parts) {
  return std::make_unique<PostNormBlock>(std::move(parts));
}

}  // namespace gradfold
