// Opens the CPU device with the widest instruction set that this processor and this build have.
#pragma once

#include <memory>

#include "../kernels.h"

namespace gradfold {

/// threads ≥ 1. isa: null for the widest, or "avx512", "avx2", "baseline" to force one (throws std::invalid_argument
/// when the processor lacks it or the name is unknown). gemm: null for the best built in, or "onednn", "portable".
std::unique_ptr<Device> open_cpu_device(int threads, Type precision, const char* isa, const char* gemm);

}  // namespace gradfold
