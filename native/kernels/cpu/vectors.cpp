// Elementwise operations and the dot product over long vectors, at memory bandwidth.
#include <omp.h>
#include <string.h>

#include "cpu_device.h"
#include "integers.h"
#include "simd.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Numbers per turn of a parallel loop: long enough to stream, and vectors shorter than this stay on one thread.
constexpr int64_t kChunk = 16384;

inline int64_t chunk_length(int64_t first, int64_t count) { return least(kChunk, count - first); }

}  // namespace

void CpuDevice::fill(float* x, float value, int64_t count) {
#pragma omp parallel for schedule(static) num_threads(threads_) if (count > kChunk)
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t length = chunk_length(first, count);
    for (int64_t j = 0; j < length; ++j) x[first + j] = value;
  }
}

void CpuDevice::copy(float* to, const float* from, int64_t count) {
#pragma omp parallel for schedule(static) num_threads(threads_) if (count > kChunk)
  for (int64_t first = 0; first < count; first += kChunk)
    memcpy(to + first, from + first, static_cast<size_t>(chunk_length(first, count)) * sizeof(float));
}

void CpuDevice::scale(float* x, double a, int64_t count) {
  const float factor = static_cast<float>(a);
#pragma omp parallel for schedule(static) num_threads(threads_) if (count > kChunk)
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t length = chunk_length(first, count);
    for (int64_t j = 0; j < length; ++j) x[first + j] *= factor;
  }
}

void CpuDevice::axpy(float* y, double a, const float* x, int64_t count) {
  const float factor = static_cast<float>(a);
#pragma omp parallel for schedule(static) num_threads(threads_) if (count > kChunk)
  for (int64_t first = 0; first < count; first += kChunk)
    add_scaled(y + first, factor, x + first, chunk_length(first, count));
}

double CpuDevice::dot(const float* x, const float* y, int64_t count) {
  double* parts = static_cast<double*>(scratch(0, static_cast<size_t>(threads_) * sizeof(double)));
  for (int thread = 0; thread < threads_; ++thread) parts[thread] = 0.0;
#pragma omp parallel num_threads(threads_) if (count > kChunk)
  {
    double part = 0.0;
#pragma omp for schedule(static)
    for (int64_t first = 0; first < count; first += kChunk)
      part += long_dot(x + first, y + first, chunk_length(first, count));
    parts[omp_get_thread_num()] = part;
  }
  double total = 0.0;
  for (int thread = 0; thread < threads_; ++thread) total += parts[thread];
  return total;
}

}  // namespace gradfold::GRADFOLD_ISA
