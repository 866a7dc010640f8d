// What the forms of a product's per-sample statistics cost, and which of them a call takes (docs/per-sample.md).
#pragma once

#include "../kernels.h"
#include "sample_choice.h"

namespace gradfold::GRADFOLD_ISA {

/// What a call's cost depends on.
struct SampleShape {
  double outputs, inputs;
  double tokens, samples;  // samples that have tokens
  double token_pairs;      // Σ_i T_i²
  double longest;          // tokens of the longest sample
  double product;          // time of a product's multiply-add, that of a float32 one being 1
};

/// What is wanted of a call.
struct SampleWanted {
  bool norms, gram, gradient, gradients;
  int64_t vectors;
};

/// Who computes what. What is wanted and not taken from ghost products or the plain product is reduced from the g_i,
/// formed either in registers or in tiles.
struct SamplePlan {
  bool in_tiles;
  bool ghost_norms, ghost_gram, ghost_dots, plain_gradient;

  /// Whether any g_i must be formed for this.
  bool forms(const SampleWanted& wanted) const;
};

/// Time of a plan, in multiply-adds of a large float32 product.
double plan_cost(const SamplePlan& plan, const SampleShape& shape, const SampleWanted& wanted);

/// The cheapest plan by plan_cost; of two equal ones the same at every call. form: not cheapest, but in this form.
SamplePlan plan_samples(const SampleShape& shape, const SampleWanted& wanted, SampleForm form);

}  // namespace gradfold::GRADFOLD_ISA
