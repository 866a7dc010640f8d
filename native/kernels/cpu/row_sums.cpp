// Sums and means of rows over the tokens of each sample, and the transpose of the mean. Work is divided by sample and
// block of columns, so that a single long sample occupies every thread and no number has two writers.
#include <string.h>

#include "cpu_device.h"
#include "integers.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Numbers below which a parallel region costs more than it saves.
constexpr int64_t kWorthwhile = 16384;
/// The most columns of a sample that one task takes: long pieces of rows stream, short ones wait for memory.
constexpr int64_t kColumns = 1024;
/// Tokens that are summed in float32 before float64 takes over, and those added at a time.
constexpr int64_t kShortRun = 16, kTogether = 4;

/// sum[c] = Σ x(t, first + c) over the tokens [begin, end), for c < columns ≤ kColumns
template <class T>
void sum_tokens(View<const T> x, int64_t begin, int64_t end, int64_t first, int64_t columns, double* sum) {
  for (int64_t c = 0; c < columns; ++c) sum[c] = 0.0;
  for (int64_t start = begin; start < end; start += kShortRun) {
    const int64_t stop = least(start + kShortRun, end);
    float run[kColumns];
    for (int64_t c = 0; c < columns; ++c) run[c] = 0.0f;
    int64_t t = start;
    for (; t + kTogether <= stop; t += kTogether) {
      const T *r0 = x.row(t) + first, *r1 = r0 + x.stride, *r2 = r1 + x.stride, *r3 = r2 + x.stride;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c)
        run[c] += (to_float(r0[c]) + to_float(r1[c])) + (to_float(r2[c]) + to_float(r3[c]));
    }
    for (; t < stop; ++t) {
      const T* row = x.row(t) + first;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) run[c] += to_float(row[c]);
    }
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) sum[c] += run[c];
  }
}

/// Calls body(sample, first, columns) for blocks of columns that cover every sample's row; a row is divided among the
/// threads where there are fewer samples than would keep them busy. No column's sum depends on the division.
template <class Body>
void for_blocks(int64_t samples, const int32_t* begin, int64_t cols, int threads, Body body) {
  const int64_t numbers = (begin[samples] - begin[0]) * cols;
  const int64_t share = samples < 4 * threads ? ceil_div(ceil_div(cols, threads), 16) * 16 : cols;
  const int64_t width = share < 1 ? 1 : least(share, kColumns), blocks = ceil_div(cols, width);
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (numbers > kWorthwhile)
  for (int64_t task = 0; task < samples * blocks; ++task) {
    const int64_t first = task % blocks * width;
    body(task / blocks, first, least(width, cols - first));
  }
}

/// rows[i] = Σ of x over the tokens of sample i, divided by their number where `mean` says so.
template <class T>
void sum_samples(View<const T> x, int64_t samples, const int32_t* begin, const Mat& rows, bool mean, int threads) {
  for_blocks(samples, begin, rows.cols, threads, [&](int64_t sample, int64_t first, int64_t columns) {
    double sum[kColumns];
    sum_tokens(x, begin[sample], begin[sample + 1], first, columns, sum);
    const int64_t tokens = begin[sample + 1] - begin[sample];
    const double divisor = mean && tokens > 0 ? double(tokens) : 1.0;
    float* out = rows.data + sample * rows.stride + first;
    for (int64_t c = 0; c < columns; ++c) out[c] = float(sum[c] / divisor);
  });
}

}  // namespace

void CpuDevice::sum_rows(ConstAnyMat x, int64_t samples, const int32_t* begin, Mat rows) {
  with_type(x.type,
            [&](auto number) { sum_samples(view_as<decltype(number)>(x), samples, begin, rows, false, threads_); });
}

void CpuDevice::mean_rows(ConstMat x, int64_t samples, const int32_t* begin, Mat rows) {
  sum_samples(view_as<float>(ConstAnyMat(x)), samples, begin, rows, true, threads_);
}

void CpuDevice::spread_rows(ConstMat rows, int64_t samples, const int32_t* begin, Mat out) {
  for_blocks(samples, begin, rows.cols, threads_, [&](int64_t sample, int64_t first, int64_t columns) {
    const float* row = rows.data + sample * rows.stride + first;
    const float tokens = float(begin[sample + 1] - begin[sample]);
    float share[kColumns];
    for (int64_t c = 0; c < columns; ++c) share[c] = row[c] / tokens;
    for (int64_t t = begin[sample]; t < begin[sample + 1]; ++t)
      memcpy(out.data + t * out.stride + first, share, static_cast<size_t>(columns) * sizeof(float));
  });
}

}  // namespace gradfold::GRADFOLD_ISA
