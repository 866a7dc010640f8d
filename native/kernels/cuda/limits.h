// How much one launch takes before its work is cut.
#pragma once

#include <cstdint>

namespace gradfold::cuda {

struct Limits {
  int64_t grid_rows = 65535;                    // blockIdx.y
  int64_t attention_sums = int64_t{128} << 20;  // bytes of the sums over keys that backward passes keep
  int64_t norm_pieces = int64_t{48} << 20;      // bytes of the chunks' parameter gradients in a norm's backward pass
  int64_t group_sums = int64_t{64} << 20;       // bytes of the sums over positions of an embedding's rows
  int64_t run = 1024;     // tokens from which on a run of samples of equal weight ends, so that float32 sums stay short
  int64_t vectors = 512;  // whose products with a sample's tile a block has room for in shared memory
};

/// Those of this thread. Tests make them small, to see small batches cut as large ones are.
inline thread_local Limits limits;

}  // namespace gradfold::cuda
