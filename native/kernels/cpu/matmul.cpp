#include <omp.h>

#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::matmul(ConstMat a, bool transpose_a, ConstMat b, bool transpose_b, Mat c, float beta) {
  omp_set_num_threads(threads_);  // products take their team from the calling thread
  product_(a, transpose_a, b, transpose_b, c, beta);
}

}  // namespace gradfold::GRADFOLD_ISA
