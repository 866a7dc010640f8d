// Rotary positions (Su et al. 2021): the table of angles, grown to the longest segment seen.
#pragma once

#include <vector>

#include "../pass.h"

namespace gradfold {

class Rotary {
 public:
  /// inverse_frequencies [head_dim / 2]; empty: positions do not turn.
  Rotary(Device& device, std::vector<double> inverse_frequencies);
  ~Rotary();
  Rotary(const Rotary&) = delete;
  Rotary& operator=(const Rotary&) = delete;

  /// Makes the table reach `positions`.
  void reach(int64_t positions);
  /// Turns the first `heads` heads of each row by its position, or back. Linear, so tangents turn alike.
  void turn(Pass& pass, int64_t heads, const AnyDual& x, int direction) const;

 private:
  Device& device_;
  std::vector<double> inverse_frequencies_;
  float* cos_sin_ = nullptr;
  int64_t positions_ = 0;
};

}  // namespace gradfold
