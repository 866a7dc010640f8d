// Kernels that are still to be written; each leaves this file as it gets one of its own.
#include <stdlib.h>

#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::convert(ConstAnyMat, AnyMat) { abort(); }

void CpuDevice::add_gathered_rows(ConstMat, const int32_t*, Mat) { abort(); }

void CpuDevice::add_bias(const float*, AnyMat) { abort(); }

void CpuDevice::sum_rows(ConstAnyMat, int64_t, const int32_t*, Mat) { abort(); }

void CpuDevice::mean_rows(ConstMat, int64_t, const int32_t*, Mat) { abort(); }

void CpuDevice::spread_rows(ConstMat, int64_t, const int32_t*, Mat) { abort(); }

void CpuDevice::random_signs(uint64_t, uint64_t, Mat) { abort(); }

void CpuDevice::add_sample_outer(ConstMat, ConstMat, double, int64_t, const int32_t*, Mat) { abort(); }

}  // namespace gradfold::GRADFOLD_ISA
