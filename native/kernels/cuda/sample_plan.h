// How the per-sample statistics of a product are formed on the CUDA device: a model of the arithmetic of each way.
#pragma once

#include <cstdint>
#include <vector>

#include "../cpu/sample_choice.h"
#include "../kernels.h"

namespace gradfold::cuda {

/// What a call of sample_products asks for.
struct SampleWanted {
  bool norms, gram, gradient, gradients;
  int64_t vectors;  // whose dots are wanted
};

/// Which of it comes from products between tokens, and whether the weighted gradient is a product of its own; what is
/// left comes from formed gradients.
struct SamplePlan {
  bool ghost_norms, ghost_gram, plain_gradient;

  bool forms(const SampleWanted& wanted) const {
    return (wanted.norms && !ghost_norms) || (wanted.gram && !ghost_gram) || (wanted.gradient && !plain_gradient) ||
           wanted.gradients || wanted.vectors > 0;
  }
  bool ghosts(const SampleWanted& wanted) const { return (wanted.norms && ghost_norms) || (wanted.gram && ghost_gram); }
};

struct SampleShape {
  double outputs, inputs;
  double tokens;   // whole panels of each sample
  double present;  // samples that have tokens
  double tiles;    // of tokens, over all groups of samples
  double pairs;    // of tiles of one group
  bool bf16;
  bool library;     // plain products are a library's
  bool warpgroups;  // gradients are formed by wgmma
};

/// Samples up to which a Gram matrix may come from formed gradients: a tile of each has to be kept.
inline constexpr double kMostFormed = 2048.0;

/// Groups of neighbouring samples of at most `tokens` tokens; longer samples are groups of their own. The first sample
/// of each, then the number of samples.
std::vector<int32_t> group_samples(const SampleStatistics& s, int64_t tokens);

SampleShape sample_shape(const SampleStatistics& s, const std::vector<int32_t>& groups, int64_t tile, int64_t depth);

/// The cheapest plan, or the one that `form` insists on.
SamplePlan plan_samples(const SampleShape& shape, const SampleWanted& wanted, SampleForm form);

}  // namespace gradfold::cuda
