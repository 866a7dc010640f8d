// Attention forward tangent: Ȯ = ṖV + PV̇ with Ṡ = scale(Q̇Kᵀ + QK̇ᵀ) and Ṗ = P ∘ (Ṡ − rowsum(P ∘ Ṡ)).
#include <omp.h>

#include "attention.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

/// In place over a row's visible part: unscaled scores s and their tangents s_dot become P and Ṗ.
static void probability_tangents(float* s, float* s_dot, int64_t count, float scale, float lse) {
  double mean = 0;
#pragma omp simd reduction(+ : mean)
  for (int64_t j = 0; j < count; ++j) {
    const float p = exp_float(scale * s[j] - lse);
    s[j] = p;
    mean += double(p) * double(s_dot[j]);
  }
  const float shift = float(mean);
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) s_dot[j] = scale * s[j] * (s_dot[j] - shift);
}

void CpuDevice::attention_tangent(const AttentionShape& shape, ConstAnyMat qkv_, ConstAnyMat qkv_dot_, const float* lse,
                                  AnyMat out_dot_) {
  const ConstMat qkv = f32(qkv_);
  const ConstMat qkv_dot = f32(qkv_dot_);
  const Mat out_dot = f32(out_dot_);
  const size_t bytes = 2 * size_t(strip_floats(shape)) * sizeof(float);
  for (int t = 0; t < threads_; ++t) scratch(t, bytes);  // here, where a failure can still be thrown
#pragma omp parallel num_threads(threads_)
  {
    float* memory = static_cast<float*>(scratch(omp_get_thread_num(), bytes));
    for_each_query_block(shape, omp_get_thread_num(), omp_get_num_threads(), [&](const QueryBlock& b) {
      const Mat p = strip_of(b, memory), p_dot = strip_of(b, memory + strip_floats(shape));
      const Mat o_dot = query_rows(shape, b, out_dot);
      const ConstMat q = query_rows(shape, b, qkv), q_dot = query_rows(shape, b, qkv_dot);
      const ConstMat k = key_rows(shape, b, qkv), k_dot = key_rows(shape, b, qkv_dot);
      const float* block_lse = lse + b.head * qkv.rows + b.segment + b.queries.begin;
      multiply(product_, q, false, k, true, p, 0.0f);
      multiply(product_, q_dot, false, k, true, p_dot, 0.0f);
      multiply(product_, q, false, k_dot, true, p_dot, 1.0f);
      for (int64_t r = 0; r < b.rows(); ++r) {
        const Range visible = visible_part(shape, b, r);
        const int64_t at = r * p.stride + visible.begin;
        probability_tangents(p.data + at, p_dot.data + at, visible.end - visible.begin, shape.scale, block_lse[r]);
        clear_hidden(p, r, visible);
        clear_hidden(p_dot, r, visible);
      }
      multiply(product_, p_dot, false, value_rows(shape, b, qkv), false, o_dot, 0.0f);
      multiply(product_, p, false, value_rows(shape, b, qkv_dot), false, o_dot, 1.0f);
    });
  }
}

}  // namespace gradfold::GRADFOLD_ISA
