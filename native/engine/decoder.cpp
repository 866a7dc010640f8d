#include "decoder.h"

#include <algorithm>
#include <cmath>

namespace gradfold {

namespace {

std::vector<double> download(Device& device, const double* memory, int64_t count) {
  std::vector<double> values(count);
  device.download(values.data(), memory, values.size() * sizeof(double));
  return values;
}

/// weight_i / count_i for every prediction of sample i: the factor of its loss gradient.
std::vector<double> prediction_scale(const TokenBatch& batch, const std::vector<double>& weights) {
  std::vector<double> scale(batch.predictions());
  for (int64_t i = 0; i < batch.samples(); i++) {
    const int32_t begin = batch.prediction_begin[i], end = batch.prediction_begin[i + 1];
    for (int32_t r = begin; r < end; r++) scale[r] = weights[i] / (end - begin);
  }
  return scale;
}

Ranges ranges_of(Pass& pass, std::vector<int32_t> begin) {
  const int32_t* on_device = pass.arena.table(begin);
  return {std::move(begin), on_device};
}

double* zeros(Pass& pass, int64_t count) { return pass.arena.table(std::vector<double>(count, 0.0)); }

/// Puts the batch's token groups on the device.
void group_tokens(Pass& pass, bool one_sample) {
  const TokenGroups groups(pass.batch, one_sample);
  pass.groups = {static_cast<int64_t>(groups.token.size()), pass.arena.table(groups.token),
                 pass.arena.table(groups.sample), pass.arena.table(groups.begin), pass.arena.table(groups.positions)};
}

}  // namespace

Decoder::Decoder(Device& device, const DecoderConfig& config, const Layout& layout)
    : device_(device),
      config_(config),
      attention_({config.heads, config.kv_heads, config.head_dim, true, config.window}),
      arena_(device),
      parameter_count_(layout.length()) {
  const int64_t d = config.hidden, ff = config.intermediate;
  const int64_t query = config.heads * config.head_dim, key = config.kv_heads * config.head_dim;
  embedding_ = Embedding(layout.matrix("model.embed_tokens.weight", config.vocabulary, d));
  for (int64_t l = 0; l < config.layers; l++) {
    const std::string at = "model.layers." + std::to_string(l) + ".";
    const auto norm = [&](const char* name) { return RmsNorm(layout.vector(at + name, d), config.norm_eps); };
    blocks_.push_back({
        norm("input_layernorm.weight"),
        norm("post_attention_layernorm.weight"),
        Linear(stacked({layout.matrix(at + "self_attn.q_proj.weight", query, d),
                        layout.matrix(at + "self_attn.k_proj.weight", key, d),
                        layout.matrix(at + "self_attn.v_proj.weight", key, d)})),
        Linear(layout.matrix(at + "self_attn.o_proj.weight", d, query)),
        Linear(stacked(
            {layout.matrix(at + "mlp.gate_proj.weight", ff, d), layout.matrix(at + "mlp.up_proj.weight", ff, d)})),
        Linear(layout.matrix(at + "mlp.down_proj.weight", d, ff)),
    });
  }
  const Weight output =
      config.tied_embeddings ? embedding_.weight() : layout.matrix("lm_head.weight", config.vocabulary, d);
  head_ = Head(RmsNorm(layout.vector("model.norm.weight", d), config.norm_eps), Linear(output), config.tied_embeddings);
  parameters_ = static_cast<float*>(device.allocate(static_cast<size_t>(parameter_count_) * sizeof(float)));
  device.fill(parameters_, 0, parameter_count_);
}

Decoder::~Decoder() {
  device_.release(parameters_);
  device_.release(cos_sin_);
}

void Decoder::grow_rotary_table(int64_t positions) {
  if (positions <= rotary_positions_) return;
  const int64_t half = config_.head_dim / 2;
  std::vector<float> table(positions * config_.head_dim);
  for (int64_t p = 0; p < positions; p++) {
    for (int64_t j = 0; j < half; j++) {
      const double angle = static_cast<double>(p) * config_.inverse_frequencies[j];
      table[p * config_.head_dim + j] = static_cast<float>(std::cos(angle));
      table[p * config_.head_dim + half + j] = static_cast<float>(std::sin(angle));
    }
  }
  float* grown = static_cast<float*>(device_.allocate(table.size() * sizeof(float)));
  device_.release(cos_sin_);
  cos_sin_ = grown;
  rotary_positions_ = positions;
  device_.upload(cos_sin_, table.data(), table.size() * sizeof(float));
}

Pass Decoder::begin(const TokenBatch& batch, const Flag* cancelled) {
  arena_.reset();
  grow_rotary_table(batch.longest_segment);
  Pass pass(device_, arena_, batch);
  pass.cancelled = cancelled;
  pass.parameters = parameters_;
  pass.ids = arena_.table(batch.ids);
  pass.positions = arena_.table(batch.positions);
  pass.segments = arena_.table(batch.segment_begin);
  pass.predicted = arena_.table(batch.predicted);
  pass.labels = arena_.table(batch.labels);
  return pass;
}

/// Without per-sample statistics the weights go into the loss gradient and the batch counts as one sample: the same
/// kernels then do plain products.
void Decoder::one_sample(Pass& pass, const std::vector<double>& weights) const {
  pass.scale = pass.arena.table(prediction_scale(pass.batch, weights));
  pass.token_ranges = ranges_of(pass, {0, static_cast<int32_t>(pass.batch.tokens())});
  pass.prediction_ranges = ranges_of(pass, {0, static_cast<int32_t>(pass.batch.predictions())});
  pass.statistics.weights = pass.arena.table(std::vector<float>{1.0f});
  group_tokens(pass, true);
}

Dual Decoder::embed(Pass& pass) const {
  const Dual x = pass.take(pass.batch.tokens(), config_.hidden);
  embedding_.forward(pass, x);
  return x;
}

Decoder::Saved Decoder::take_saved(Pass& pass, const Dual& input) const {
  const int64_t n = pass.batch.tokens(), query = config_.heads * config_.head_dim;
  Saved saved;
  saved.input = input;
  saved.qkv = pass.take(n, query + 2 * config_.kv_heads * config_.head_dim);
  saved.attended = pass.take(n, query);
  saved.middle = pass.take(n, config_.hidden);
  saved.gate_up = pass.take(n, 2 * config_.intermediate);
  saved.lse = pass.arena.take<float>(config_.heads * n);
  saved.attention_norm = blocks_.front().attention_norm.take_saved(pass, n);
  saved.mlp_norm = blocks_.front().mlp_norm.take_saved(pass, n);
  return saved;
}

void Decoder::forward_block(Pass& pass, const Block& block, const Saved& saved, const Dual& output) const {
  Arena::Scope scope(pass.arena);
  const int64_t n = pass.batch.tokens(), d = config_.hidden;
  const auto add_residual = [&](const Dual& from, const Dual& to) {
    pass.device.copy(to.value.data, from.value.data, n * d);
    if (pass.dual()) pass.device.copy(to.tangent.data, from.tangent.data, n * d);
  };
  const Dual normed = pass.take(n, d), act = pass.take(n, config_.intermediate);

  block.attention_norm.forward(pass, saved.input, normed, saved.attention_norm);
  block.qkv.forward(pass, normed, saved.qkv);
  attention_.forward(pass, {cos_sin_}, saved.qkv, saved.attended, saved.lse);
  add_residual(saved.input, saved.middle);
  block.out.forward(pass, saved.attended, saved.middle, 1);

  block.mlp_norm.forward(pass, saved.middle, normed, saved.mlp_norm);
  block.gate_up.forward(pass, normed, saved.gate_up);
  SwiGlu::forward(pass, saved.gate_up, act);
  add_residual(saved.middle, output);
  block.down.forward(pass, act, output, 1);
}

/// dx: gradient of the block's output on entry, of its input on return. Norm outputs and activations are computed
/// again: they cost no product and would be half of what is kept.
void Decoder::backward_block(Pass& pass, const Block& block, const Saved& saved, const Dual& dx) const {
  const int64_t n = pass.batch.tokens(), d = config_.hidden, ff = config_.intermediate;
  {
    Arena::Scope scope(pass.arena);
    const Dual dgate_up = pass.take(n, 2 * ff), normed = pass.take(n, d), dnormed = pass.take(n, d);
    {
      Arena::Scope inner(pass.arena);
      const Dual act = pass.take(n, ff), dact = pass.take(n, ff);
      SwiGlu::forward(pass, saved.gate_up, act);
      block.down.parameter_gradient(pass, dx, act, pass.token_ranges);
      block.down.backward(pass, dx, dact);
      SwiGlu::backward(pass, saved.gate_up, dact, dgate_up);
    }
    block.mlp_norm.forward(pass, saved.middle, normed, saved.mlp_norm);
    block.gate_up.parameter_gradient(pass, dgate_up, normed, pass.token_ranges);
    block.gate_up.backward(pass, dgate_up, dnormed);
    block.mlp_norm.backward(pass, dnormed, saved.middle, saved.mlp_norm, pass.token_ranges, dx);
  }
  pass.stop_if_cancelled();
  Arena::Scope scope(pass.arena);
  const Dual dqkv = pass.take(n, saved.qkv.value.cols), dattended = pass.take(n, saved.attended.value.cols);
  const Dual normed = pass.take(n, d), dnormed = pass.take(n, d);
  block.out.parameter_gradient(pass, dx, saved.attended, pass.token_ranges);
  block.out.backward(pass, dx, dattended);
  attention_.backward(pass, {cos_sin_}, saved.qkv, saved.attended, saved.lse, dattended, dqkv);
  block.attention_norm.forward(pass, saved.input, normed, saved.attention_norm);
  block.qkv.parameter_gradient(pass, dqkv, normed, pass.token_ranges);
  block.qkv.backward(pass, dqkv, dnormed);
  block.attention_norm.backward(pass, dnormed, saved.input, saved.attention_norm, pass.token_ranges, dx);
}

/// Forward and backward through the whole model.
Head::State Decoder::sweep(Pass& pass) {
  const int64_t n = pass.batch.tokens();
  std::vector<Saved> saved;
  Dual x = embed(pass);
  for (const Block& block : blocks_) {
    pass.stop_if_cancelled();
    saved.push_back(take_saved(pass, x));
    x = pass.take(n, config_.hidden);
    forward_block(pass, block, saved.back(), x);
  }
  const Dual dx = pass.take(n, config_.hidden);
  const Head::State state = head_.loss_and_backward(pass, x, dx);
  for (size_t l = blocks_.size(); l-- > 0;) {
    pass.stop_if_cancelled();
    backward_block(pass, blocks_[l], saved[l], dx);
  }
  if (state.deferred) head_.deferred_gradient(pass, state, dx.value);
  if (!head_.covers_embedding(state)) embedding_.backward(pass, dx);
  return state;
}

std::vector<double> Decoder::loss(const TokenBatch& batch, const Flag* cancelled) {
  if (batch.predictions() == 0) return std::vector<double>(batch.samples(), 0.0);
  Pass pass = begin(batch, cancelled);
  // Nothing is kept: two residual streams take turns and one block's scratch serves all.
  Dual x = embed(pass), next = pass.take(batch.tokens(), config_.hidden);
  for (const Block& block : blocks_) {
    pass.stop_if_cancelled();
    Arena::Scope scope(arena_);
    forward_block(pass, block, take_saved(pass, x), next);
    std::swap(x, next);
  }
  const Head::State state = head_.loss(pass, x);
  return batch.sample_means(download(device_, state.loss, batch.predictions()));
}

BackwardResult Decoder::backward(const TokenBatch& batch, const BackwardRequest& request, const Flag* cancelled) {
  const int64_t samples = batch.samples(), vectors = static_cast<int64_t>(request.vectors.size());
  if (request.gradient) device_.fill(request.gradient, 0, parameter_count_);
  for (float* g : request.gradients) device_.fill(g, 0, parameter_count_);
  BackwardResult result;
  result.losses.assign(samples, 0.0);
  result.norms.assign(request.norms ? samples : 0, 0.0);
  result.dots.assign(vectors * samples, 0.0);
  result.gram.assign(request.gram ? samples * samples : 0, 0.0);
  if (batch.predictions() == 0) return result;

  Pass pass = begin(batch, cancelled);
  pass.gradient = request.gradient;
  pass.vectors = request.vectors;
  pass.gradients = request.gradients;
  if (!request.norms && !request.gram && vectors == 0 && request.gradients.empty()) {
    one_sample(pass, request.weights);
  } else {
    pass.scale = arena_.table(prediction_scale(batch, std::vector<double>(samples, 1.0)));
    pass.token_ranges = ranges_of(pass, batch.sample_begin);
    pass.prediction_ranges = ranges_of(pass, batch.prediction_begin);
    pass.statistics.weights = arena_.table(std::vector<float>(request.weights.begin(), request.weights.end()));
    pass.statistics.norms2 = request.norms ? zeros(pass, samples) : nullptr;
    pass.statistics.vectors = vectors;
    pass.statistics.dots = vectors ? zeros(pass, vectors * samples) : nullptr;
    pass.statistics.gram = request.gram ? zeros(pass, samples * samples) : nullptr;
    group_tokens(pass, false);
  }
  const Head::State state = sweep(pass);

  result.losses = batch.sample_means(download(device_, state.loss, batch.predictions()));
  if (request.norms) {
    result.norms = download(device_, pass.statistics.norms2, samples);
    for (double& norm : result.norms) norm = std::sqrt(norm);
  }
  if (vectors) result.dots = download(device_, pass.statistics.dots, vectors * samples);
  if (request.gram) result.gram = download(device_, pass.statistics.gram, samples * samples);
  return result;
}

HvpResult Decoder::hvp(const TokenBatch& batch, const float* v, const std::vector<double>& weights, float* hvp,
                       const Flag* cancelled) {
  device_.fill(hvp, 0, parameter_count_);
  if (batch.predictions() == 0) {
    return {std::vector<double>(batch.samples(), 0.0), std::vector<double>(batch.samples(), 0.0)};
  }
  Pass pass = begin(batch, cancelled);
  pass.tangent = v;
  pass.gradient = hvp;
  one_sample(pass, weights);
  const Head::State state = sweep(pass);
  return {batch.sample_means(download(device_, state.loss, batch.predictions())),
          batch.sample_means(download(device_, state.loss_tangent, batch.predictions()))};
}

}  // namespace gradfold
