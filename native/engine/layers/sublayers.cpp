#include "sublayers.h"

namespace gradfold {

AttentionSublayer::Saved AttentionSublayer::take_saved(Pass& pass) const {
  const AttentionGeometry& g = attention_.geometry();
  const int64_t n = pass.batch.tokens();
  return {pass.take_stored(n, g.qkv_width(), pass.activations), pass.take_stored(n, g.query_width(), pass.activations),
          pass.activations.arena->take<float>(g.heads * n)};
}

void AttentionSublayer::forward(Pass& pass, const AnyDual& x, const Saved& saved, const Dual& residual) const {
  qkv_.forward(pass, x, saved.qkv);
  attention_.forward(pass, saved.qkv, saved.attended, saved.lse);
  out_.forward(pass, saved.attended, residual, 1);
}

void AttentionSublayer::backward(Pass& pass, const AnyDual& x, const Saved& saved, const AnyDual& dy,
                                 const AnyDual& dx) const {
  Arena::Scope scope(pass.arena);
  const AttentionGeometry& g = attention_.geometry();
  const int64_t n = pass.batch.tokens();
  const AnyDual dqkv = pass.take_stored(n, g.qkv_width());
  const AnyDual dattended = pass.take_stored(n, g.query_width(), pass.input_gradients);
  out_.parameter_gradient(pass, dy, saved.attended, pass.token_ranges);
  out_.backward(pass, dy, dattended);
  attention_.backward(pass, saved.qkv, saved.attended, saved.lse, dattended, dqkv);
  qkv_.parameter_gradient(pass, dqkv, x, pass.token_ranges);
  qkv_.backward(pass, dqkv, dx);
}

MlpSublayer::Saved MlpSublayer::take_saved(Pass& pass) const {
  return {pass.take_stored(pass.batch.tokens(), activation_->input_width(inner_), pass.activations)};
}

void MlpSublayer::expand(Pass& pass, const AnyDual& x, const Saved& saved) const {
  up_.forward(pass, x, saved.up);
}

void MlpSublayer::contract(Pass& pass, const Saved& saved, const Dual& residual) const {
  Arena::Scope scope(pass.arena);
  const AnyDual act = pass.take_stored(pass.batch.tokens(), inner_);
  activation_->forward(pass, saved.up, act);
  down_.forward(pass, act, residual, 1);
}

void MlpSublayer::backward(Pass& pass, const AnyDual& x, const Saved& saved, const AnyDual& dy,
                           const AnyDual& dx) const {
  Arena::Scope scope(pass.arena);
  const int64_t n = pass.batch.tokens();
  const AnyDual dup = pass.take_stored(n, saved.up.value.cols);
  {
    Arena::Scope inner(pass.arena);
    const AnyDual act = pass.take_stored(n, inner_), dact = pass.take_stored(n, inner_, pass.input_gradients);
    activation_->forward(pass, saved.up, act);
    down_.parameter_gradient(pass, dy, act, pass.token_ranges);
    down_.backward(pass, dy, dact);
    activation_->backward(pass, saved.up, dact, dup);
  }
  up_.parameter_gradient(pass, dup, x, pass.token_ranges);
  up_.backward(pass, dup, dx);
}

}  // namespace gradfold
