// Sums that keep what rounding drops.
#pragma once

#include <cmath>

#include "../order/on_device.h"

namespace gradfold::weight {

/// A sum compensated for rounding (Neumaier 1974).
struct Sum {
  double sum = 0, lost = 0;

  GRADFOLD_ON_DEVICE void add(double value) {
    const double after = sum + value;
    lost += std::fabs(sum) >= std::fabs(value) ? sum - after + value : value - after + sum;
    sum = after;
  }
  void add(const Sum& other) {
    add(other.sum);
    lost += other.lost;
  }
  GRADFOLD_ON_DEVICE double value() const { return sum + lost; }
};

}  // namespace gradfold::weight
