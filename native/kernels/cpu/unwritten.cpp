// Kernels that are still to be written; each leaves this file as it gets one of its own.
#include <stdlib.h>

#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::layer_norm(ConstMat, const float*, double, AnyMat, float*, float*) { abort(); }

void CpuDevice::layer_norm_tangent(ConstMat, ConstMat, const float*, const float*, const float*, const float*, AnyMat,
                                   float*, float*) {
  abort();
}

void CpuDevice::layer_norm_backward(ConstAnyMat, ConstMat, const float*, const float*, const float*, int64_t,
                                    const int32_t*, Mat, Mat) {
  abort();
}

void CpuDevice::layer_norm_backward_tangent(ConstAnyMat, ConstAnyMat, ConstMat, ConstMat, const float*, const float*,
                                            const float*, const float*, const float*, const float*, Mat, float*) {
  abort();
}

void CpuDevice::gelu(Gelu, ConstAnyMat, AnyMat) { abort(); }

void CpuDevice::gelu_tangent(Gelu, ConstAnyMat, ConstAnyMat, AnyMat) { abort(); }

void CpuDevice::gelu_backward(Gelu, ConstAnyMat, ConstAnyMat, AnyMat) { abort(); }

void CpuDevice::gelu_backward_tangent(Gelu, ConstAnyMat, ConstAnyMat, ConstAnyMat, ConstAnyMat, AnyMat) { abort(); }

}  // namespace gradfold::GRADFOLD_ISA
