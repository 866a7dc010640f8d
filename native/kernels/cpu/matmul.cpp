// Products of whole matrices.
#include <omp.h>

#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::matmul(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  omp_set_num_threads(threads_);  // products take their team from the calling thread
  product_(a, transpose_a, b, transpose_b, c, beta);
}

size_t CpuDevice::prepared_bytes(int64_t rows, int64_t cols) const {
  if (precision_ == Type::f32) return 0;
  if (kind_.packed_bytes != nullptr) return kind_.packed_bytes(rows, cols);
  return static_cast<size_t>(rows * cols * size_of(Type::bf16));
}

void CpuDevice::prepare_weight(ConstMat weight, void* prepared) {
  if (precision_ == Type::f32) return;
  omp_set_num_threads(threads_);
  if (kind_.pack_weight != nullptr) return kind_.pack_weight(weight, prepared);
  convert(weight, AnyMat{prepared, weight.rows, weight.cols, weight.cols, Type::bf16});
}

void CpuDevice::apply_weight(ConstAnyMat x, const WeightOperand& w, bool transpose, AnyMat y, float beta) {
  const ConstMat& weight = w.weight;
  if (precision_ == Type::f32) return matmul(x, false, weight, transpose, y, beta);
  if (kind_.packed_product == nullptr)
    return matmul(x, false, ConstAnyMat{w.prepared, weight.rows, weight.cols, weight.cols, Type::bf16}, transpose, y,
                  beta);
  omp_set_num_threads(threads_);
  kind_.packed_product(x, w.prepared, weight.rows, weight.cols, transpose, y, beta);
}

}  // namespace gradfold::GRADFOLD_ISA
