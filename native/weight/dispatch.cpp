// Which instruction set's block kernels this processor runs.
#include "blocks.h"

namespace gradfold {

#ifndef GRADFOLD_BASELINE_ONLY
namespace avx512 {
const weight::Blocks* softmax_blocks();
}
namespace avx2 {
const weight::Blocks* softmax_blocks();
}
#endif
namespace baseline {
const weight::Blocks* softmax_blocks();
}

namespace weight {

const Blocks& blocks() {
#ifndef GRADFOLD_BASELINE_ONLY
  // The flags that binding.gyp compiles avx512 with.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    return *avx512::softmax_blocks();
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return *avx2::softmax_blocks();
#endif
  return *baseline::softmax_blocks();
}

}  // namespace weight
}  // namespace gradfold
