// How much one launch takes before its work is cut.
#pragma once

#include <cstdint>

namespace gradfold::cuda {

struct Limits {
  int64_t grid_rows = 65535;                    // blockIdx.y
  int64_t attention_sums = int64_t{128} << 20;  // bytes of the sums over keys that backward passes keep
  int64_t norm_pieces = int64_t{48} << 20;      // bytes of the chunks' parameter gradients in a norm's backward pass
};

/// Those of this thread. Tests make them small, to see small batches cut as large ones are.
inline thread_local Limits limits;

}  // namespace gradfold::cuda
