#include "backbone.h"

#include <utility>

namespace gradfold {

namespace {

Embedding::Tables embedding_tables(const TransformerConfig& config, const Layout& layout) {
  Embedding::Tables tables{layout.matrix("embedding.tokens", config.vocabulary, config.hidden), {}, {}, nullptr};
  if (config.learned_positions > 0) {
    tables.positions = layout.matrix("embedding.positions", config.learned_positions, config.hidden);
  }
  if (config.token_types > 0) tables.types = layout.matrix("embedding.types", config.token_types, config.hidden);
  if (layout.has("embedding.norm")) tables.norm = make_norm(config, layout, "embedding.norm");
  return tables;
}

void group(Pass& pass, const std::vector<int32_t>& rows, TableIndex& index) {
  TokenGroups groups(rows, pass.token_ranges.begin);
  const auto count = static_cast<int64_t>(groups.token.size());
  // As many places as there could be groups, so that batches of one shape lie alike in memory whatever their tokens.
  groups.token.resize(rows.size());
  groups.sample.resize(rows.size());
  groups.begin.resize(rows.size() + 1);
  index.groups = {count, pass.arena.table(groups.token), pass.arena.table(groups.sample),
                  pass.arena.table(groups.begin), pass.arena.table(groups.positions)};
}

}  // namespace

std::unique_ptr<Norm> make_norm(const TransformerConfig& config, const Layout& layout, const std::string& role) {
  if (config.norm == NormKind::rms) return make_rms_norm(layout.vector(role, config.hidden), config.norm_eps);
  return make_layer_norm(layout.vector(role, 2 * config.hidden), config.norm_eps);
}

std::unique_ptr<Activation> make_activation(const TransformerConfig& config) {
  switch (config.activation) {
    case ActivationKind::swiglu:
      return make_swiglu();
    case ActivationKind::gelu:
      return make_gelu(Gelu::erf);
    case ActivationKind::gelu_tanh:
      return make_gelu(Gelu::tanh);
  }
  throw Error("INVALID_ARGUMENT", "engine invariant violated: a known activation");
}

Backbone::Backbone(Device& device, const TransformerConfig& config, const Layout& layout, ParameterMemory& parameters,
                   bool recompute)
    : hidden_(config.hidden),
      recompute_(recompute),
      activation_(make_activation(config)),
      rotary_(std::make_unique<Rotary>(device, config.inverse_frequencies)),
      embedding_(embedding_tables(config, layout)) {
  const AttentionGeometry geometry{config.heads, config.kv_heads, config.head_dim, config.causal, config.window};
  const int64_t d = config.hidden, ff = config.intermediate;
  const auto make_block = config.placement == NormPlacement::before ? make_pre_norm_block : make_post_norm_block;
  for (int64_t l = 0; l < config.layers; l++) {
    const std::string at = "layers." + std::to_string(l) + ".";
    const auto linear = [&](const char* role, int64_t out, int64_t in) {
      return Linear(layout, parameters, at + role, out, in, config.input_major);
    };
    blocks_.push_back(make_block(
        {make_norm(config, layout, at + "attention_norm"), make_norm(config, layout, at + "mlp_norm"),
         AttentionSublayer(linear("qkv", geometry.qkv_width(), d), linear("out", d, geometry.query_width()),
                           Attention(geometry, *rotary_)),
         MlpSublayer(linear("up", activation_->input_width(ff), d), linear("down", d, ff), *activation_, ff)}));
  }
}

void Backbone::begin(Pass& pass) {
  rotary_->reach(pass.batch.longest_segment);
  pass.tokens.row = pass.arena.table(pass.batch.ids);
  pass.positions.row = pass.arena.table(pass.batch.positions);
  if (embedding_.has_types()) pass.types.row = pass.arena.table(pass.batch.types);
  pass.segments = pass.arena.table(pass.batch.segment_begin);
  pass.predicted = pass.arena.table(pass.batch.predicted);
  pass.labels = pass.arena.table(pass.batch.labels);
}

void Backbone::group_rows(Pass& pass) const {
  group(pass, pass.batch.ids, pass.tokens);
  if (embedding_.has_positions()) group(pass, pass.batch.positions, pass.positions);
  if (embedding_.has_types()) group(pass, pass.batch.types, pass.types);
}

Dual Backbone::forward(Pass& pass) const {
  const int64_t n = pass.batch.tokens();
  Dual x = pass.take(n, hidden_), next = pass.take(n, hidden_);
  {
    Arena::Scope scope(pass.arena);
    const Embedding::Saved saved = embedding_.take_saved(pass);
    x = pass.traced(x);
    embedding_.forward(pass, saved, x);
  }
  for (const auto& block : blocks_) {
    pass.stop_if_cancelled();
    Arena::Scope scope(pass.arena);
    const Block::Saved saved = block->take_saved(pass, x);
    next = pass.traced(next);
    block->forward(pass, saved, next);
    std::swap(x, next);
  }
  return x;
}

Backbone::Saved Backbone::forward_keeping(Pass& pass) const {
  const int64_t n = pass.batch.tokens();
  Saved saved{embedding_.take_saved(pass), {}, {}, pass.take(n, hidden_, pass.activations)};
  embedding_.forward(pass, saved.embedding, saved.output);
  for (const auto& block : blocks_) {
    pass.stop_if_cancelled();
    saved.inputs.push_back(saved.output);
    if (!recompute_) saved.blocks.push_back(block->take_saved(pass, saved.output));
    saved.output = pass.take(n, hidden_, pass.activations);
    Arena::Scope scope(pass.arena);
    block->forward(pass, recompute_ ? block->take_saved(pass, saved.inputs.back()) : saved.blocks.back(), saved.output);
  }
  return saved;
}

void Backbone::backward(Pass& pass, const Saved& saved, const Dual& dx) const {
  for (size_t l = blocks_.size(); l-- > 0;) {
    pass.stop_if_cancelled();
    Arena::Scope scope(pass.arena);
    blocks_[l]->backward(pass, recompute_ ? blocks_[l]->filled(pass, saved.inputs[l]) : saved.blocks[l], dx);
  }
  embedding_.backward_norm(pass, saved.embedding, dx);
}

}  // namespace gradfold
