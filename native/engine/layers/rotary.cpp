#include "rotary.h"

#include <cmath>
#include <utility>

namespace gradfold {

Rotary::Rotary(Device& device, std::vector<double> inverse_frequencies)
    : device_(device), inverse_frequencies_(std::move(inverse_frequencies)) {}

Rotary::~Rotary() { device_.release(cos_sin_); }

void Rotary::reach(int64_t positions) {
  if (positions <= positions_ || inverse_frequencies_.empty()) return;
  const auto half = static_cast<int64_t>(inverse_frequencies_.size());
  std::vector<float> table(positions * 2 * half);
  for (int64_t p = 0; p < positions; p++) {
    for (int64_t j = 0; j < half; j++) {
      const double angle = static_cast<double>(p) * inverse_frequencies_[j];
      table[p * 2 * half + j] = static_cast<float>(std::cos(angle));
      table[p * 2 * half + half + j] = static_cast<float>(std::sin(angle));
    }
  }
  float* grown = static_cast<float*>(device_.allocate(table.size() * sizeof(float)));
  device_.release(cos_sin_);
  cos_sin_ = grown;
  positions_ = positions;
  device_.upload(cos_sin_, table.data(), table.size() * sizeof(float));
}

void Rotary::turn(Pass& pass, int64_t heads, const AnyDual& x, int direction) const {
  if (inverse_frequencies_.empty()) return;
  const auto head_dim = static_cast<int64_t>(2 * inverse_frequencies_.size());
  if (!x.known) pass.device.rotary(x.value, heads, head_dim, cos_sin_, pass.positions.row, direction);
  if (pass.dual()) pass.device.rotary(x.tangent, heads, head_dim, cos_sin_, pass.positions.row, direction);
}

}  // namespace gradfold
