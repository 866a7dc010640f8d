// Per-sample statistics of one linear layer that is not part of a model here: its inputs and output gradients come from
// elsewhere.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"

namespace gradfold {

/// y = x Wᵀ with W [outputs × inputs]; sample i is the tokens [i time, (i + 1) time).
struct SampleLinearProblem {
  int64_t batch, time, inputs, outputs;
  std::vector<float> activations;       // x [batch × time × inputs]
  std::vector<float> output_gradients;  // ∂ℓ/∂y [batch × time × outputs]
};

struct SampleLinearRequest {
  std::vector<double> weights;              // [batch] w_i of the gradient
  std::vector<std::vector<float>> vectors;  // v_k [outputs × inputs] each
  bool gradient, norms, gram, gradients;
};

/// Empty where not asked for.
struct SampleLinearResult {
  std::vector<double> norms;     // [batch] ‖g_i‖₂
  std::vector<double> dots;      // [vectors × batch] ⟨g_i, v_k⟩
  std::vector<double> gram;      // [batch × batch] ⟨g_i, g_j⟩
  std::vector<float> gradients;  // [batch × outputs × inputs] g_i
  std::vector<float> gradient;   // [outputs × inputs] Σ_i w_i g_i
};

/// g_i = Σ_t (∂ℓ/∂y_t) ⊗ x_t over the tokens of sample i, in float32 products whatever the device's precision.
SampleLinearResult sample_linear(Device& device, const SampleLinearProblem& problem,
                                 const SampleLinearRequest& request);

}  // namespace gradfold
