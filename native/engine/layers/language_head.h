// Output projection and cross-entropy over the predicted positions. The device never holds the matrix of all logits: it
// is walked in blocks of predictions, or, where a statistic couples predictions of different blocks, in panels of the
// vocabulary.
#pragma once

#include "head_transform.h"

namespace gradfold {

class LanguageHead {
 public:
  /// tied: the projection is the embedding table.
  LanguageHead(HeadTransform transform, const Linear& projection, bool tied)
      : transform_(std::move(transform)), projection_(projection), tied_(tied) {}

  /// What the sweep leaves for deferred_gradient and for the caller.
  struct State {
    AnyDual hidden;        // [n × d] what the projection reads
    double* loss;          // [n]
    double* loss_tangent;  // [n], null in a plain pass
    double* lse;           // [n]
    bool deferred;         // the projection's parameter gradient is still to come
  };

  /// Losses from the residual stream x [N × d] alone.
  State loss(Pass& pass, const Dual& x) const;
  /// What the predictions' cross-entropy is taken of, [n × vocabulary], into `out`: ordinary memory.
  void logits(Pass& pass, const Dual& x, float* out) const;
  /// Losses and dx [N × d], overwritten.
  State loss_and_backward(Pass& pass, const Dual& x, const Dual& dx) const;
  /// The projection's parameter gradient where loss_and_backward deferred it: in panels of the vocabulary, for a tied
  /// table with the embedding's share (dembedding [N × d]) added before norms are taken.
  void deferred_gradient(Pass& pass, const State& state, const Mat& dembedding) const;

  /// Whether deferred_gradient covers the embedding's share as well.
  bool covers_embedding(const State& state) const { return tied_ && state.deferred; }

 private:
  bool defers(const Pass& pass) const;
  State take_state(Pass& pass, int64_t width) const;
  Dual select(Pass& pass, const Dual& x) const;
  void block(Pass& pass, const State& state, int64_t first, int64_t rows, const AnyDual* dhidden) const;

  HeadTransform transform_;
  Linear projection_;
  bool tied_;
};

}  // namespace gradfold
