// How the per-sample statistics of a product may be formed, and the means to insist on one way.
#pragma once

#include <stdint.h>

namespace gradfold {

enum class SampleForm : int8_t {
  cheapest,   // what the cost model of sample_cost.h takes, part by part
  registers,  // g_i formed and reduced in register tiles; on CUDA those of warpgroups, where there are any
  tiles,      // g_i formed by the device's product in tiles that stay in the cache
  ghost       // from products between tokens; only gradients themselves are formed
};

/// What sample_products takes on this thread. Tests and measurements set it to see every form on the same shapes.
inline thread_local SampleForm sample_form = SampleForm::cheapest;

}  // namespace gradfold
