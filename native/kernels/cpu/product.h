// The matrix product that a CPU device is built on: this project's own (portable_product in cpu_device.h) or a
// library's.
#pragma once

#include "../kernels.h"

namespace gradfold {

/// c = op(a) op(b) + beta c on the calling thread's share of the machine: outside a parallel region on
/// omp_get_max_threads() threads, inside one on a single thread. a and b are of one type; c is float32, or bfloat16
/// where they are. Sums are float32 throughout and round to bfloat16 once. beta is 0 (c is not read) or 1.
using Product = void (*)(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);

#ifdef GRADFOLD_ONEDNN
/// The product by oneDNN; throws std::runtime_error when the library refuses the shape or is out of memory.
void onednn_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);

/// "oneDNN 2.6.3": the version that is loaded, which need not be the one compiled against.
const char* onednn_name();
#endif

}  // namespace gradfold
