#include "score_head.h"

#include "../sample_gradient.h"

namespace gradfold {

namespace {

/// The first or last token of each sample, on the device; null when all are averaged.
const int32_t* chosen_tokens(Pass& pass, Pooling pooling) {
  if (pooling == Pooling::mean) return nullptr;
  const auto& begin = pass.batch.sample_begin;
  std::vector<int32_t> chosen;
  for (int64_t i = 0; i < pass.batch.samples(); i++) {
    chosen.push_back(pooling == Pooling::first ? begin[i] : begin[i + 1] - 1);
  }
  return pass.arena.table(chosen);
}

}  // namespace

ScoreHead::State ScoreHead::forward(Pass& pass, const Dual& x) const {
  const int64_t samples = pass.batch.samples(), n = x.value.rows, d = x.value.cols;
  const State state{pass.arena.matrix(samples, d), pass.arena.matrix(samples, 1),
                    norm_ ? norm_->take_saved(pass, n) : Norm::Saved{}, pass.arena.table(pass.batch.sample_begin),
                    chosen_tokens(pass, pooling_)};
  Arena::Scope scope(pass.arena);
  Dual hidden = x;
  if (norm_) {
    hidden = pass.take(n, d);
    norm_->forward(pass, x, hidden, state.norm);
  }
  if (state.chosen) {
    pass.device.gather_rows(hidden.value, state.chosen, state.pooled);
  } else {
    pass.device.mean_rows(hidden.value, samples, state.begin, state.pooled);
  }
  pass.device.matmul(state.pooled, false, pass.value_matrix(weight_), true, state.scores, 0);
  if (bias_) pass.device.add_bias(pass.value_of(*bias_), state.scores);
  return state;
}

void ScoreHead::backward(Pass& pass, const State& state, const Dual& x, const Mat& score_gradients,
                         const Dual& dx) const {
  const int64_t samples = state.pooled.rows, n = x.value.rows, d = x.value.cols;
  Arena::Scope scope(pass.arena);
  const Mat share{pass.gradient + weight_.offset, 1, d, d};
  pass.device.matmul(score_gradients, true, state.pooled, false, share, 1);
  if (bias_) {
    const Mat ones = pass.arena.matrix(samples, 1), bias_share{pass.gradient + bias_->offset, 1, 1, 1};
    pass.device.fill(ones.data, 1, samples);
    pass.device.matmul(score_gradients, true, ones, false, bias_share, 1);
  }
  const Mat dpooled = pass.arena.matrix(samples, d);
  pass.device.matmul(score_gradients, false, pass.value_matrix(weight_), false, dpooled, 0);
  const Dual dhidden = norm_ ? pass.take(n, d) : dx;
  if (state.chosen) {
    pass.device.scatter_rows(dpooled, state.chosen, dhidden.value);
  } else {
    pass.device.spread_rows(dpooled, samples, state.begin, dhidden.value);
  }
  if (!norm_) return;
  pass.fill(dx, 0);
  norm_->backward(pass, dhidden, x, state.norm, pass.token_ranges, dx);
}

}  // namespace gradfold
