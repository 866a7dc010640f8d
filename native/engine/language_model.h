// A language model, causal or masked: losses per sample, gradients with their per-sample statistics, Hessian-vector
// products.
#pragma once

#include <vector>

#include "layers/language_head.h"
#include "network.h"
#include "trace.h"

namespace gradfold {

struct SketchRequest {
  int64_t dimensions = 0;  // 0: not wanted
  uint64_t seed = 0;
};

/// What a backward sweep is asked for; pointers may be null where not wanted.
struct BackwardRequest {
  std::vector<double> weights;        // [samples]
  float* gradient = nullptr;          // overwritten with Σ w_i g_i
  std::vector<const float*> vectors;  // v_k
  std::vector<float*> gradients;      // overwritten with g_i, one a sample
  bool norms = false, gram = false;
  SketchRequest sketch;
  Keep keep = Keep::nothing;  // not with per-sample statistics, whose pass leaves the weights out

  bool per_sample() const { return norms || gram || !vectors.empty() || !gradients.empty() || sketch.dimensions > 0; }
};

struct BackwardResult {
  std::vector<double> losses, norms;  // [samples]
  std::vector<double> dots;           // [vectors × samples]
  std::vector<double> gram;           // [samples × samples]
  std::vector<float> sketch;          // [samples × dimensions]
  int64_t trace = 0;                  // number of what was kept; 0: nothing
};

struct HvpResult {
  std::vector<double> losses, jvp;  // [samples]
};

class LanguageModel : public Network {
 public:
  LanguageModel(Device& device, const TransformerConfig& config, const std::vector<Slot>& slots, bool recompute);

  TokenBatch tokens(const PaddedBatch& batch) const { return {batch, config_.objective == Objective::next_token}; }

  std::vector<double> loss(const TokenBatch& batch, const Flag* cancelled);
  /// The logits at the batch's predicted positions, [predictions × vocabulary], into `out`. Of a batch that is not
  /// shifted these are the positions that have labels.
  void logits(const TokenBatch& batch, float* out, const Flag* cancelled);
  BackwardResult backward(const TokenBatch& batch, const BackwardRequest& request, const Flag* cancelled);
  /// ⟨g_i, v⟩ of each sample [samples], by the forward half of a dual pass alone.
  std::vector<double> jvp(const TokenBatch& batch, const float* v, const Flag* cancelled);
  /// hvp += (Σ w_i ∇²ℓ_i) v
  HvpResult hvp(const TokenBatch& batch, const float* v, const std::vector<double>& weights, float* hvp,
                const Flag* cancelled);

  /// What the last pass that was to keep has kept.
  Trace& trace() { return trace_; }
  /// jvp and hvp of the batch (and weights) of a trace. Throws DISPOSED where the trace is not there any more,
  /// INVALID_ARGUMENT where the parameters are not those that it was made at.
  std::vector<double> traced_jvp(int64_t trace, const float* v, const Flag* cancelled);
  HvpResult traced_hvp(int64_t trace, const float* v, float* hvp, const Flag* cancelled);

 private:
  /// A dual pass that finds the values of a trace.
  Pass begin_traced(const Trace::Of& of, const float* v, const Flag* cancelled);
  std::vector<double> jvp(Pass& pass);
  HvpResult hvp(Pass& pass, const std::vector<double>& weights, float* hvp);
  void ask(Pass& pass, const BackwardRequest& request) const;
  LanguageHead::State sweep(Pass& pass);

  LanguageHead head_;
  Trace trace_;
};

}  // namespace gradfold
