// A transformer with a scalar for each row: DELT's scorer and the DataRater.
#pragma once

#include <vector>

#include "layers/score_head.h"
#include "network.h"

namespace gradfold {

class SequenceRater : public Network {
 public:
  SequenceRater(Device& device, const TransformerConfig& config, Pooling pooling, const std::vector<Slot>& slots,
                bool recompute);

  /// [rows]; every row has a token. Labels are not read.
  std::vector<double> score(const TokenBatch& batch, const Flag* cancelled);
  /// gradient is overwritten with Σ_i c_i ∂s_i/∂θ, c [rows] being the score gradients; returns the scores.
  std::vector<double> backward(const TokenBatch& batch, const std::vector<double>& score_gradients, float* gradient,
                               const Flag* cancelled);

 private:
  ScoreHead head_;
};

}  // namespace gradfold
