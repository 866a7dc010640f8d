// RMSNorm (Zhang & Sennrich 2019), y = x ∘ r ∘ w with r = (mean(x²) + eps)^(−1/2), and its three derivatives. Rows are
// independent; the weight's gradient sums over tokens, each thread owning blocks of columns.
#include <math.h>

#include "cpu_device.h"
#include "simd.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

/// Columns of the weight's gradient that one task sums.
static constexpr int64_t kColumns = 128;
/// Tokens that are summed in float32 before float64 takes over.
static constexpr int64_t kShortRun = 16;

/// sum[j] = Σ term(t, j) over the tokens [begin, end), for j < columns ≤ kColumns
template <class Term>
static inline void sum_tokens(int64_t begin, int64_t end, int64_t columns, double* sum, Term term) {
  for (int64_t j = 0; j < columns; ++j) sum[j] = 0.0;
  for (int64_t first = begin; first < end; first += kShortRun) {
    const int64_t last = first + kShortRun < end ? first + kShortRun : end;
    float run[kColumns] = {};
    for (int64_t t = first; t < last; ++t) {
#pragma omp simd
      for (int64_t j = 0; j < columns; ++j) run[j] += term(t, j);
    }
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) sum[j] += run[j];
  }
}

void CpuDevice::rms_norm(ConstMat x, const float* w, double eps, AnyMat y_, float* rstd) {
  const Mat y = f32(y_);
  const int64_t d = x.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t t = 0; t < x.rows; ++t) {
    const float* in = x.data + t * x.stride;
    float* out = y.data + t * y.stride;
    const float r = float(1.0 / sqrt(long_dot(in, in, d) / double(d) + eps));
    rstd[t] = r;
#pragma omp simd
    for (int64_t j = 0; j < d; ++j) out[j] = in[j] * r * w[j];
  }
}

// ṙ = −r³ mean(x ∘ ẋ); ẏ = (ẋ r + x ṙ) ∘ w + x r ∘ ẇ
void CpuDevice::rms_norm_tangent(ConstMat x, ConstMat x_dot, const float* w, const float* w_dot, const float* rstd,
                                 AnyMat y_dot_, float* rstd_dot) {
  const Mat y_dot = f32(y_dot_);
  const int64_t d = x.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t t = 0; t < x.rows; ++t) {
    const float* in = x.data + t * x.stride;
    const float* in_dot = x_dot.data + t * x_dot.stride;
    float* out_dot = y_dot.data + t * y_dot.stride;
    const double r64 = rstd[t];
    const float r = rstd[t], r_dot = float(-r64 * r64 * r64 * long_dot(in, in_dot, d) / double(d));
    rstd_dot[t] = r_dot;
#pragma omp simd
    for (int64_t j = 0; j < d; ++j) out_dot[j] = (in_dot[j] * r + in[j] * r_dot) * w[j] + in[j] * r * w_dot[j];
  }
}

// With g = dy ∘ w: dx = r g − x r³ mean(g ∘ x)
void CpuDevice::rms_norm_backward(ConstAnyMat dy_, ConstMat x, const float* w, const float* rstd, int64_t samples,
                                  const int32_t* begin, Mat dx, Mat rows) {
  const ConstMat dy = f32(dy_);
  const int64_t d = x.cols, blocks = (d + kColumns - 1) / kColumns;
#pragma omp parallel num_threads(threads_)
  {
#pragma omp for schedule(static) nowait
    for (int64_t t = 0; t < x.rows; ++t) {
      const float* out = dy.data + t * dy.stride;
      const float* in = x.data + t * x.stride;
      float* din = dx.data + t * dx.stride;
      double projection = 0;
#pragma omp simd reduction(+ : projection)
      for (int64_t j = 0; j < d; ++j) projection += double(out[j] * w[j]) * double(in[j]);
      const double r64 = rstd[t];
      const float r = rstd[t], along = float(r64 * r64 * r64 * projection / double(d));
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) din[j] += r * (out[j] * w[j]) - in[j] * along;
    }
#pragma omp for schedule(static)
    for (int64_t task = 0; task < samples * blocks; ++task) {
      const int64_t sample = task / blocks, first = task % blocks * kColumns;
      const int64_t columns = d - first < kColumns ? d - first : kColumns;
      const float *out = dy.data + first, *in = x.data + first;
      double sum[kColumns];
      sum_tokens(begin[sample], begin[sample + 1], columns, sum,
                 [=](int64_t t, int64_t j) { return out[t * dy.stride + j] * (in[t * x.stride + j] * rstd[t]); });
      float* dw = rows.data + sample * rows.stride + first;
      for (int64_t j = 0; j < columns; ++j) dw[j] = float(sum[j]);
    }
  }
}

// With g = dy ∘ w, ġ = dẏ ∘ w + dy ∘ ẇ, c = mean(g ∘ x), ċ = mean(ġ ∘ x + g ∘ ẋ):
//   ḋx = ṙ g + r ġ − ẋ r³ c − x (3 r² ṙ c + r³ ċ),  ḋw = Σ_t dẏ ∘ x r + dy ∘ (ẋ r + x ṙ)
void CpuDevice::rms_norm_backward_tangent(ConstAnyMat dy_, ConstAnyMat dy_dot_, ConstMat x, ConstMat x_dot,
                                          const float* w, const float* w_dot, const float* rstd, const float* rstd_dot,
                                          Mat dx_dot, float* dw_dot) {
  const ConstMat dy = f32(dy_);
  const ConstMat dy_dot = f32(dy_dot_);
  const int64_t d = x.cols, blocks = (d + kColumns - 1) / kColumns;
#pragma omp parallel num_threads(threads_)
  {
#pragma omp for schedule(static) nowait
    for (int64_t t = 0; t < x.rows; ++t) {
      const float* out = dy.data + t * dy.stride;
      const float* out_dot = dy_dot.data + t * dy_dot.stride;
      const float* in = x.data + t * x.stride;
      const float* in_dot = x_dot.data + t * x_dot.stride;
      float* din_dot = dx_dot.data + t * dx_dot.stride;
      double projection = 0, projection_dot = 0;
#pragma omp simd reduction(+ : projection, projection_dot)
      for (int64_t j = 0; j < d; ++j) {
        const float g = out[j] * w[j], g_dot = out_dot[j] * w[j] + out[j] * w_dot[j];
        projection += double(g) * double(in[j]);
        projection_dot += double(g_dot) * double(in[j]) + double(g) * double(in_dot[j]);
      }
      const double r64 = rstd[t], r64_dot = rstd_dot[t], c = projection / double(d), c_dot = projection_dot / double(d);
      const float r = rstd[t], r_dot = rstd_dot[t], along = float(r64 * r64 * r64 * c),
                  along_dot = float(r64 * r64 * (3 * r64_dot * c + r64 * c_dot));
#pragma omp simd
      for (int64_t j = 0; j < d; ++j) {
        const float g = out[j] * w[j], g_dot = out_dot[j] * w[j] + out[j] * w_dot[j];
        din_dot[j] += r_dot * g + r * g_dot - in_dot[j] * along - in[j] * along_dot;
      }
    }
#pragma omp for schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t first = block * kColumns, columns = d - first < kColumns ? d - first : kColumns;
      const float *out = dy.data + first, *out_dot = dy_dot.data + first;
      const float *in = x.data + first, *in_dot = x_dot.data + first;
      double sum[kColumns];
      sum_tokens(0, x.rows, columns, sum, [=](int64_t t, int64_t j) {
        const float value = in[t * x.stride + j], value_dot = in_dot[t * x_dot.stride + j];
        return out_dot[t * dy_dot.stride + j] * (value * rstd[t]) +
               out[t * dy.stride + j] * (value_dot * rstd[t] + value * rstd_dot[t]);
      });
      for (int64_t j = 0; j < columns; ++j) dw_dot[first + j] += float(sum[j]);
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
