// Moving rows by index.
#include <string.h>

#include "cpu_device.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Numbers below which a parallel region costs more than it saves.
constexpr int64_t kWorthwhile = 16384;

inline void copy_row(float* to, const float* from, int64_t count) {
  memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}

}  // namespace

void CpuDevice::gather_rows(ConstAnyMat table_, const int32_t* index, AnyMat out_) {
  const ConstMat table = f32(table_);
  const Mat out = f32(out_);
#pragma omp parallel for schedule(static) num_threads(threads_) if (out.rows * out.cols > kWorthwhile)
  for (int64_t r = 0; r < out.rows; ++r)
    copy_row(out.data + r * out.stride, table.data + index[r] * table.stride, out.cols);
}

void CpuDevice::scatter_rows(ConstMat rows, const int32_t* index, Mat out) {
#pragma omp parallel num_threads(threads_) if (out.rows * out.cols > kWorthwhile)
  {
#pragma omp for schedule(static)
    for (int64_t r = 0; r < out.rows; ++r)
      memset(out.data + r * out.stride, 0, static_cast<size_t>(out.cols) * sizeof(float));
#pragma omp for schedule(static)
    for (int64_t r = 0; r < rows.rows; ++r)
      copy_row(out.data + index[r] * out.stride, rows.data + r * rows.stride, out.cols);
  }
}

}  // namespace gradfold::GRADFOLD_ISA
