// Opens the CPU device with the widest instruction set that this processor and this build have.
#pragma once

#include <memory>

#include "../kernels.h"

namespace gradfold {

/// threads ≥ 1. isa: null for the widest, or "avx512", "avx2", "baseline" to force one. gemm: null for the best there
/// is for this precision, or "amx" (bfloat16 alone), "onednn", "portable". Throws std::invalid_argument, naming what
/// there is, when this build or this processor lacks what is forced.
std::unique_ptr<Device> open_cpu_device(int threads, Type precision, const char* isa, const char* gemm);

}  // namespace gradfold
