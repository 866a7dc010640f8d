// Moving rows and columns by index, and row-wise dot products.
#include <string.h>

#include "cpu_device.h"
#include "simd.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Numbers below which a parallel region costs more than it saves.
constexpr int64_t kWorthwhile = 16384;

inline void copy_row(float* to, const float* from, int64_t count) {
  memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}

}  // namespace

void CpuDevice::gather_rows(ConstMat table, const int32_t* index, Mat out) {
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

void CpuDevice::gather_columns(ConstMat x, const int32_t* index, Mat out) {
#pragma omp parallel for schedule(static) num_threads(threads_) if (out.rows * out.cols > kWorthwhile)
  for (int64_t r = 0; r < out.rows; ++r) {
    const float* from = x.data + r * x.stride;
    float* to = out.data + r * out.stride;
    for (int64_t c = 0; c < out.cols; ++c) to[c] = from[index[c]];
  }
}

void CpuDevice::row_dots(ConstMat a, ConstMat b, double* out) {
#pragma omp parallel for schedule(static) num_threads(threads_) if (a.rows * a.cols > kWorthwhile)
  for (int64_t r = 0; r < a.rows; ++r) out[r] = long_dot(a.data + r * a.stride, b.data + r * b.stride, a.cols);
}

}  // namespace gradfold::GRADFOLD_ISA
