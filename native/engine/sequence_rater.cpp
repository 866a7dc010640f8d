#include "sequence_rater.h"

namespace gradfold {

namespace {

ScoreHead make_head(const TransformerConfig& config, Pooling pooling, const Layout& layout) {
  std::optional<Weight> bias;
  if (layout.has("score.bias")) bias = layout.vector("score.bias", 1);
  return {layout.has("final_norm") ? make_norm(config, layout, "final_norm") : nullptr, pooling,
          layout.matrix("score.weight", 1, config.hidden), bias};
}

std::vector<double> scores_of(Device& device, const ScoreHead::State& state) {
  std::vector<float> scores(state.scores.rows);
  device.download(scores.data(), state.scores.data, scores.size() * sizeof(float));
  return {scores.begin(), scores.end()};
}

}  // namespace

SequenceRater::SequenceRater(Device& device, const TransformerConfig& config, Pooling pooling,
                             const std::vector<Slot>& slots, bool recompute)
    : Network(device, config, slots, recompute), head_(make_head(config, pooling, layout_)) {}

std::vector<double> SequenceRater::score(const TokenBatch& batch, const Flag* cancelled) {
  Pass pass = begin(batch, cancelled);
  return scores_of(device_, head_.forward(pass, backbone_.forward(pass)));
}

std::vector<double> SequenceRater::backward(const TokenBatch& batch, const std::vector<double>& score_gradients,
                                            float* gradient, const Flag* cancelled) {
  device_.fill(gradient, 0, parameters_.length());
  Pass pass = begin(batch, cancelled);
  pass.gradient = gradient;
  one_sample(pass);
  const Backbone::Saved saved = backbone_.forward_keeping(pass);
  const ScoreHead::State state = head_.forward(pass, saved.output);
  const std::vector<float> seeds(score_gradients.begin(), score_gradients.end());
  const Mat c{arena_.table(seeds), batch.samples(), 1, 1};
  const Dual dx = pass.take(batch.tokens(), config_.hidden);
  head_.backward(pass, state, saved.output, c, dx);
  backbone_.backward(pass, saved, dx);
  backbone_.backward_tables(pass, dx, true);
  return scores_of(device_, state);
}

}  // namespace gradfold
