// How fast a device is, for figures that stand beside a ceiling.
#pragma once

#include "../kernels/kernels.h"

namespace gradfold {

/// Wall seconds of one product op(a) op(b) = c of the device's precision, c [m × n] and inner dimension k, after a
/// first, untimed one.
double product_seconds(Device& device, int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b);

}  // namespace gradfold
