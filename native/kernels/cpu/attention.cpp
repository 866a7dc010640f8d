// Attention forward: O = softmax(scale QKᵀ) V, a strip of scores at a time, keeping each query's log-sum-exp.
#include "attention.h"

#include <math.h>
#include <omp.h>

#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

/// Scores become exp(scale s − max) in place; returns their sum in `sum`, and the log-sum-exp of the scaled scores.
static float softmax_numerators(float* s, int64_t count, float scale, double* sum) {
  float largest = s[0];
#pragma omp simd reduction(max : largest)
  for (int64_t j = 0; j < count; ++j) largest = s[j] > largest ? s[j] : largest;
  const float shift = scale * largest;
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t j = 0; j < count; ++j) {
    const float e = exp_float(scale * s[j] - shift);
    s[j] = e;
    total += e;
  }
  *sum = total;
  return float(shift + log(total));
}

void CpuDevice::attention(const AttentionShape& shape, ConstAnyMat qkv_, AnyMat out_, float* lse) {
  const ConstMat qkv = f32(qkv_);
  const Mat out = f32(out_);
  const size_t bytes = size_t(strip_floats(shape)) * sizeof(float);
  for (int t = 0; t < threads_; ++t) scratch(t, bytes);  // here, where a failure can still be thrown
#pragma omp parallel num_threads(threads_)
  {
    float* memory = static_cast<float*>(scratch(omp_get_thread_num(), bytes));
    for_each_query_block(shape, omp_get_thread_num(), omp_get_num_threads(), [&](const QueryBlock& b) {
      const Mat strip = strip_of(b, memory), o = query_rows(shape, b, out);
      float* block_lse = lse + b.head * qkv.rows + b.segment + b.queries.begin;
      float normalizer[kQueryBlock];
      multiply(product_, query_rows(shape, b, qkv), false, key_rows(shape, b, qkv), true, strip, 0.0f);
      for (int64_t r = 0; r < b.rows(); ++r) {
        const Range visible = visible_part(shape, b, r);
        double sum;
        block_lse[r] = softmax_numerators(strip.data + r * strip.stride + visible.begin, visible.end - visible.begin,
                                          shape.scale, &sum);
        clear_hidden(strip, r, visible);
        normalizer[r] = float(1.0 / sum);
      }
      multiply(product_, strip, false, value_rows(shape, b, qkv), false, o, 0.0f);
      for (int64_t r = 0; r < b.rows(); ++r) {
        float* row = o.data + r * o.stride;
#pragma omp simd
        for (int64_t j = 0; j < o.cols; ++j) row[j] *= normalizer[r];
      }
    });
  }
}

}  // namespace gradfold::GRADFOLD_ISA
