// A LLaMA/Mistral-style decoder: pre-norm blocks of grouped-query attention with rotary positions and SwiGLU.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "layers/attention.h"
#include "layers/embedding.h"
#include "layers/head.h"
#include "layers/linear.h"
#include "layers/rms_norm.h"
#include "layers/swiglu.h"
#include "pass.h"

namespace gradfold {

struct DecoderConfig {
  int64_t vocabulary, hidden, intermediate, layers, heads, kv_heads, head_dim;
  double norm_eps;
  bool tied_embeddings;
  int64_t window;                           // 0: none
  std::vector<double> inverse_frequencies;  // [head_dim / 2]
};

/// What a backward sweep is asked for; pointers may be null where not wanted.
struct BackwardRequest {
  std::vector<double> weights;        // [samples]
  float* gradient = nullptr;          // overwritten with Σ w_i g_i
  std::vector<const float*> vectors;  // v_k
  std::vector<float*> gradients;      // overwritten with g_i, one a sample
  bool norms = false, gram = false;
};

struct BackwardResult {
  std::vector<double> losses, norms;  // [samples]
  std::vector<double> dots;           // [vectors × samples]
  std::vector<double> gram;           // [samples × samples]
};

struct HvpResult {
  std::vector<double> losses, jvp;  // [samples]
};

class Decoder {
 public:
  Decoder(Device& device, const DecoderConfig& config, const Layout& layout);
  ~Decoder();

  /// The live parameters, layout.length() floats.
  float* parameters() { return parameters_; }
  int64_t parameter_count() const { return parameter_count_; }

  using Flag = std::atomic<bool>;
  std::vector<double> loss(const TokenBatch& batch, const Flag* cancelled);
  BackwardResult backward(const TokenBatch& batch, const BackwardRequest& request, const Flag* cancelled);
  /// hvp is overwritten with (Σ w_i ∇²ℓ_i) v.
  HvpResult hvp(const TokenBatch& batch, const float* v, const std::vector<double>& weights, float* hvp,
                const Flag* cancelled);

 private:
  struct Block {
    RmsNorm attention_norm, mlp_norm;
    Linear qkv, out, gate_up, down;
  };
  /// What a block's backward needs.
  struct Saved {
    Dual input, qkv, attended, middle, gate_up;
    float* lse;
    RmsNorm::Saved attention_norm, mlp_norm;
  };

  /// Makes the table of angles reach `positions`.
  void grow_rotary_table(int64_t positions);
  Pass begin(const TokenBatch& batch, const Flag* cancelled);
  void one_sample(Pass& pass, const std::vector<double>& weights) const;
  Saved take_saved(Pass& pass, const Dual& input) const;
  void forward_block(Pass& pass, const Block& block, const Saved& saved, const Dual& output) const;
  void backward_block(Pass& pass, const Block& block, const Saved& saved, const Dual& dx) const;
  Head::State sweep(Pass& pass);
  Dual embed(Pass& pass) const;

  Device& device_;
  DecoderConfig config_;
  Embedding embedding_;
  std::vector<Block> blocks_;
  Attention attention_;
  Head head_;
  Arena arena_;
  float* parameters_;
  int64_t parameter_count_;
  float* cos_sin_ = nullptr;
  int64_t rotary_positions_ = 0;
};

}  // namespace gradfold
