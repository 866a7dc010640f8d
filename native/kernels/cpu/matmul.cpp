// Products of whole matrices.
#include <omp.h>

#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::matmul(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  omp_set_num_threads(threads_);  // products take their team from the calling thread
  product_(a, transpose_a, b, transpose_b, c, beta);
}

size_t CpuDevice::prepared_bytes(int64_t, int64_t) const { return 0; }

void CpuDevice::prepare_weight(ConstMat, void*) {}

void CpuDevice::apply_weight(ConstAnyMat x, const WeightOperand& w, bool transpose, AnyMat y, float beta) {
  matmul(x, false, w.weight, transpose, y, beta);
}

}  // namespace gradfold::GRADFOLD_ISA
