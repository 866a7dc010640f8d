// Moving rows by index.
#include <string.h>

#include "cpu_device.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Numbers below which a parallel region costs more than it saves.
constexpr int64_t kWorthwhile = 16384;

template <class T>
void copy_row(T* to, const T* from, int64_t count) {
  memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
}

template <class T>
void gather(View<const T> table, const int32_t* index, View<T> out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (out.rows * out.cols > kWorthwhile)
  for (int64_t r = 0; r < out.rows; ++r) copy_row(out.row(r), table.row(index[r]), out.cols);
}

}  // namespace

void CpuDevice::gather_rows(ConstAnyMat table, const int32_t* index, AnyMat out) {
  with_type(out.type, [&](auto number) {
    using T = decltype(number);
    gather(view_as<T>(table), index, view_as<T>(out), threads_);
  });
}

void CpuDevice::add_gathered_rows(ConstMat table, const int32_t* index, Mat out) {
#pragma omp parallel for schedule(static) num_threads(threads_) if (out.rows * out.cols > kWorthwhile)
  for (int64_t r = 0; r < out.rows; ++r) {
    const float* from = table.data + index[r] * table.stride;
    float* to = out.data + r * out.stride;
#pragma omp simd
    for (int64_t c = 0; c < out.cols; ++c) to[c] += from[c];
  }
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
