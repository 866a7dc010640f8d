#include "language_model.h"

#include <cmath>
#include <cstring>
#include <utility>

namespace gradfold {

namespace {

/// weight_i / count_i for every prediction of sample i: the factor of its loss gradient.
std::vector<double> prediction_scale(const TokenBatch& batch, const std::vector<double>& weights) {
  std::vector<double> scale(batch.predictions());
  for (int64_t i = 0; i < batch.samples(); i++) {
    const int32_t begin = batch.prediction_begin[i], end = batch.prediction_begin[i + 1];
    for (int32_t r = begin; r < end; r++) scale[r] = weights[i] / (end - begin);
  }
  return scale;
}

double* zeros(Pass& pass, int64_t count) { return pass.arena.table(std::vector<double>(count, 0.0)); }

LanguageHead make_head(const TransformerConfig& config, const Layout& layout, ParameterMemory& parameters) {
  const int64_t d = config.hidden;
  std::optional<HeadTransform::Dense> dense;
  if (layout.has("head.dense.weight")) {
    dense = HeadTransform::Dense{Linear(layout, parameters, "head.dense", d, d, false), make_activation(config)};
  }
  const char* norm = dense ? "head.norm" : "final_norm";
  const char* table = config.tied_embeddings ? "embedding.tokens" : "head.projection";
  const Weight projection = layout.matrix(table, config.vocabulary, d);
  parameters.add_operand(projection);
  std::optional<Weight> bias;
  if (layout.has("head.bias")) bias = layout.vector("head.bias", config.vocabulary);
  return {HeadTransform(std::move(dense), make_norm(config, layout, norm)), Linear(projection, bias, false),
          config.tied_embeddings};
}

}  // namespace

LanguageModel::LanguageModel(Device& device, const TransformerConfig& config, const std::vector<Slot>& slots,
                             bool recompute)
    : Network(device, config, slots, recompute), head_(make_head(config, layout_, parameters_)), trace_(device) {}

/// Forward and backward through the whole model.
LanguageHead::State LanguageModel::sweep(Pass& pass) {
  const Backbone::Saved saved = backbone_.forward_keeping(pass);
  const Dual dx = pass.take(pass.batch.tokens(), config_.hidden);
  const LanguageHead::State state = head_.loss_and_backward(pass, saved.output, dx);
  backbone_.backward(pass, saved, dx);
  if (state.deferred) head_.deferred_gradient(pass, state, dx.value);
  backbone_.backward_tables(pass, dx, !head_.covers_embedding(state));
  return state;
}

std::vector<double> LanguageModel::loss(const TokenBatch& batch, const Flag* cancelled) {
  if (batch.predictions() == 0) return std::vector<double>(batch.samples(), 0.0);
  Pass pass = begin(batch, cancelled);
  const LanguageHead::State state = head_.loss(pass, backbone_.forward(pass));
  return batch.sample_means(download(device_, state.loss, batch.predictions()));
}

void LanguageModel::logits(const TokenBatch& batch, float* out, const Flag* cancelled) {
  if (batch.predictions() == 0) return;
  Pass pass = begin(batch, cancelled);
  head_.logits(pass, backbone_.forward(pass), out);
}

/// Sets the pass up for a request. Without per-sample statistics the weights go into the loss gradient and the batch
/// counts as one sample.
void LanguageModel::ask(Pass& pass, const BackwardRequest& request) const {
  const TokenBatch& batch = pass.batch;
  const int64_t samples = batch.samples(), vectors = static_cast<int64_t>(request.vectors.size());
  pass.gradient = request.gradient;
  pass.vectors = request.vectors;
  pass.gradients = request.gradients;
  if (!request.per_sample()) {
    pass.scale = pass.arena.table(prediction_scale(batch, request.weights));
    one_sample(pass);
    return;
  }
  pass.scale = pass.arena.table(prediction_scale(batch, std::vector<double>(samples, 1.0)));
  pass.token_ranges = ranges_of(pass, batch.sample_begin);
  pass.prediction_ranges = ranges_of(pass, batch.prediction_begin);
  pass.statistics.weights = pass.arena.table(std::vector<float>(request.weights.begin(), request.weights.end()));
  pass.statistics.norms2 = request.norms ? zeros(pass, samples) : nullptr;
  pass.statistics.vectors = vectors;
  pass.statistics.dots = vectors ? zeros(pass, vectors * samples) : nullptr;
  pass.statistics.gram = request.gram ? zeros(pass, samples * samples) : nullptr;
  if (request.sketch.dimensions > 0) {
    pass.sketch = {request.sketch.dimensions, request.sketch.seed,
                   pass.arena.matrix(samples, request.sketch.dimensions)};
    device_.fill(pass.sketch.rows.data, 0, samples * request.sketch.dimensions);
  }
  backbone_.group_rows(pass);
}

BackwardResult LanguageModel::backward(const TokenBatch& batch, const BackwardRequest& request, const Flag* cancelled) {
  const int64_t samples = batch.samples(), vectors = static_cast<int64_t>(request.vectors.size());
  const bool traced = request.keep != Keep::nothing;
  // Where activations are computed again, memory is short: a trace then stands for the batch and the parameters alone.
  const Keep keep = recomputes() ? Keep::nothing : request.keep;
  check(!traced || !request.per_sample(), "a traced pass takes no per-sample statistics");
  if (request.gradient) device_.fill(request.gradient, 0, parameters_.length());
  for (float* g : request.gradients) device_.fill(g, 0, parameters_.length());
  BackwardResult result;
  result.losses.assign(samples, 0.0);
  result.norms.assign(request.norms ? samples : 0, 0.0);
  result.dots.assign(vectors * samples, 0.0);
  result.gram.assign(request.gram ? samples * samples : 0, 0.0);
  result.sketch.assign(samples * request.sketch.dimensions, 0.0f);
  Trace::Of of{batch, request.weights, {}, keep};
  if (traced) {
    trace_.forget();
    of.parameters = parameters_.fingerprint(arena_);
  }
  if (batch.predictions() == 0) {
    if (traced) result.trace = trace_.complete(std::move(of));
    return result;
  }

  Pass pass = begin(batch, cancelled);
  if (keep != Keep::nothing) trace_.keep(pass, keep);
  ask(pass, request);
  const LanguageHead::State state = sweep(pass);
  if (traced) result.trace = trace_.complete(std::move(of));

  result.losses = batch.sample_means(download(device_, state.loss, batch.predictions()));
  if (request.norms) {
    result.norms = download(device_, pass.statistics.norms2, samples);
    for (double& norm : result.norms) norm = std::sqrt(norm);
  }
  if (vectors) result.dots = download(device_, pass.statistics.dots, vectors * samples);
  if (request.gram) result.gram = download(device_, pass.statistics.gram, samples * samples);
  device_.download(result.sketch.data(), pass.sketch.rows.data, result.sketch.size() * sizeof(float));
  return result;
}

std::vector<double> LanguageModel::jvp(Pass& pass) {
  const LanguageHead::State state = head_.loss(pass, backbone_.forward(pass));
  return pass.batch.sample_means(download(device_, state.loss_tangent, pass.batch.predictions()));
}

std::vector<double> LanguageModel::jvp(const TokenBatch& batch, const float* v, const Flag* cancelled) {
  if (batch.predictions() == 0) return std::vector<double>(batch.samples(), 0.0);
  Pass pass = begin(batch, cancelled);
  pass.tangent = v;
  return jvp(pass);
}

HvpResult LanguageModel::hvp(Pass& pass, const std::vector<double>& weights, float* hvp) {
  const TokenBatch& batch = pass.batch;
  pass.gradient = hvp;
  pass.scale = pass.arena.table(prediction_scale(batch, weights));
  one_sample(pass);
  const LanguageHead::State state = sweep(pass);
  return {batch.sample_means(download(device_, state.loss, batch.predictions())),
          batch.sample_means(download(device_, state.loss_tangent, batch.predictions()))};
}

HvpResult LanguageModel::hvp(const TokenBatch& batch, const float* v, const std::vector<double>& weights, float* hvp,
                             const Flag* cancelled) {
  if (batch.predictions() == 0) {
    return {std::vector<double>(batch.samples(), 0.0), std::vector<double>(batch.samples(), 0.0)};
  }
  Pass pass = begin(batch, cancelled);
  pass.tangent = v;
  if (!recomputes()) trace_.lend(pass);
  return this->hvp(pass, weights, hvp);
}

Pass LanguageModel::begin_traced(const Trace::Of& of, const float* v, const Flag* cancelled) {
  const std::vector<double> now = parameters_.fingerprint(arena_);
  // Compared bit by bit: parameters that are not numbers are equal to themselves.
  if (std::memcmp(now.data(), of.parameters.data(), now.size() * sizeof(double)) != 0) {
    throw Error(
        "INVALID_ARGUMENT",
        "trace: expected the parameters that the traced gradient was taken at, got others; put them back first");
  }
  Pass pass = begin(of.batch, cancelled);
  pass.tangent = v;
  if (of.keep != Keep::nothing) trace_.recall(pass);
  return pass;
}

std::vector<double> LanguageModel::traced_jvp(int64_t trace, const float* v, const Flag* cancelled) {
  const Trace::Of& of = trace_.of(trace);
  if (of.batch.predictions() == 0) return jvp(of.batch, v, cancelled);
  Pass pass = begin_traced(of, v, cancelled);
  return jvp(pass);
}

HvpResult LanguageModel::traced_hvp(int64_t trace, const float* v, float* hvp, const Flag* cancelled) {
  const Trace::Of& of = trace_.of(trace);
  if (of.batch.predictions() == 0) return this->hvp(of.batch, v, of.weights, hvp, cancelled);
  Pass pass = begin_traced(of, v, cancelled);
  const HvpResult result = this->hvp(pass, of.weights, hvp);
  if (of.keep == Keep::gradients) trace_.check_recalled();
  return result;
}

}  // namespace gradfold
