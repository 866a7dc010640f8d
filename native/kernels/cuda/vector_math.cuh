// The elementary functions of the CPU kernels, the same formulas, for kernels of the device.
#pragma once

#include "cuda_kernel.h"

#define GRADFOLD_ISA cuda
#define GRADFOLD_FUNCTION static __device__ __forceinline__
#include "../cpu/vector_math.h"
#undef GRADFOLD_FUNCTION
#undef GRADFOLD_ISA
