// A scalar for each sample: the normed residual stream, pooled over the sample's tokens, times a weight plus a bias.
// All in float32: it costs nothing beside the blocks.
#pragma once

#include <memory>
#include <optional>

#include "../config.h"
#include "norm.h"

namespace gradfold {

class ScoreHead {
 public:
  /// norm: of the backbone's output, or null where its blocks end with one.
  ScoreHead(std::unique_ptr<Norm> norm, Pooling pooling, const Weight& weight, std::optional<Weight> bias)
      : norm_(std::move(norm)), pooling_(pooling), weight_(weight), bias_(bias) {}

  /// What backward needs.
  struct State {
    Mat pooled;  // [samples × d]
    Mat scores;  // [samples × 1]
    Norm::Saved norm;
    const int32_t* begin;   // [samples + 1] token ranges
    const int32_t* chosen;  // [samples] the token of each sample, null where all are averaged
  };

  /// x [N × d]; samples are the batch's, each with a token.
  State forward(Pass& pass, const Dual& x) const;
  /// dx [N × d] is overwritten; score_gradients [samples × 1].
  void backward(Pass& pass, const State& state, const Dual& x, const Mat& score_gradients, const Dual& dx) const;

 private:
  std::unique_ptr<Norm> norm_;
  Pooling pooling_;
  Weight weight_;
  std::optional<Weight> bias_;
};

}  // namespace gradfold
