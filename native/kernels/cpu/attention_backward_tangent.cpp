// Attention backward and its tangent in one sweep. With Ṡ, P, Ṗ as in the forward tangent and D = rowsum(P ∘ dP):
//   dP = dO Vᵀ, dṖ = dȮ Vᵀ + dO V̇ᵀ, dS = P ∘ (dP − D), Ḋ = rowsum(Ṗ ∘ dP + P ∘ dṖ),
//   dṠ = Ṗ ∘ (dP − D) + P ∘ (dṖ − Ḋ),
//   dQ = scale dS K, dQ̇ = scale(dṠ K + dS K̇), dK = scale dSᵀ Q, dK̇ = scale(dṠᵀ Q + dSᵀ Q̇),
//   dV = Pᵀ dO, dV̇ = Ṗᵀ dO + Pᵀ dȮ.
#include <omp.h>

#include "attention_shares.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

/// In place over a row's visible part: s → P, s_dot → Ṗ (both come unscaled), dp → scale dS, dp_dot → scale dṠ.
static void score_gradient_tangents(float* s, float* s_dot, float* dp, float* dp_dot, int64_t count, float scale,
                                    float lse) {
  double mean64 = 0, d64 = 0, d_dot64 = 0;
#pragma omp simd reduction(+ : mean64, d64)
  for (int64_t j = 0; j < count; ++j) {
    const float p = exp_float(scale * s[j] - lse);
    s[j] = p;
    mean64 += double(p) * double(s_dot[j]);
    d64 += double(p) * double(dp[j]);
  }
  const float mean = float(mean64), d = float(d64);
#pragma omp simd reduction(+ : d_dot64)
  for (int64_t j = 0; j < count; ++j) {
    const float p_dot = scale * s[j] * (s_dot[j] - mean);
    s_dot[j] = p_dot;
    d_dot64 += double(p_dot) * double(dp[j]) + double(s[j]) * double(dp_dot[j]);
  }
  const float d_dot = float(d_dot64);
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) {
    const float p = scale * s[j], p_dot = scale * s_dot[j], centred = dp[j] - d;
    dp_dot[j] = p_dot * centred + p * (dp_dot[j] - d_dot);
    dp[j] = p * centred;
  }
}

void CpuDevice::attention_backward_tangent(const AttentionShape& shape, ConstAnyMat qkv_, ConstAnyMat qkv_dot_,
                                           const float* lse, ConstAnyMat dout_, ConstAnyMat dout_dot_, AnyMat dqkv_,
                                           AnyMat dqkv_dot_) {
  const ConstMat qkv = f32(qkv_);
  const ConstMat qkv_dot = f32(qkv_dot_);
  const ConstMat dout = f32(dout_);
  const ConstMat dout_dot = f32(dout_dot_);
  const Mat dqkv = f32(dqkv_);
  const Mat dqkv_dot = f32(dqkv_dot_);
  const ShareDivision division(shape, threads_);
  const int64_t strip = strip_floats(shape), partial = division.partial_floats(shape);
  const size_t bytes = size_t(4 * strip + 4 * partial) * sizeof(float);
  for (int t = 0; t < threads_; ++t) scratch(t, bytes);  // here, where a failure can still be thrown
#pragma omp parallel num_threads(threads_)
  {
    const int thread = omp_get_thread_num();
    for_each_share(shape, division, thread, omp_get_num_threads(), [&](const Share& share) {
      float* memory = static_cast<float*>(scratch(division.parts > 1 ? int(share.index) : thread, bytes));
      float* partials = memory + 4 * strip;
      const int64_t keys = key_column(shape, share.kv_head), values = value_column(shape, share.kv_head);
      const Mat dk_sum = share_sum(shape, share, dqkv, keys, partials);
      const Mat dv_sum = share_sum(shape, share, dqkv, values, partials + partial);
      const Mat dk_dot_sum = share_sum(shape, share, dqkv_dot, keys, partials + 2 * partial);
      const Mat dv_dot_sum = share_sum(shape, share, dqkv_dot, values, partials + 3 * partial);
      for_each_query_block(shape, share, [&](const QueryBlock& b) {
        const Mat p = strip_of(b, memory), p_dot = strip_of(b, memory + strip);
        const Mat ds = strip_of(b, memory + 2 * strip), ds_dot = strip_of(b, memory + 3 * strip);
        const Mat strips[] = {p, p_dot, ds, ds_dot};
        const ConstMat q = query_rows(shape, b, qkv), q_dot = query_rows(shape, b, qkv_dot);
        const ConstMat k = key_rows(shape, b, qkv), k_dot = key_rows(shape, b, qkv_dot);
        const ConstMat v = value_rows(shape, b, qkv), v_dot = value_rows(shape, b, qkv_dot);
        const ConstMat d_o = query_rows(shape, b, dout), d_o_dot = query_rows(shape, b, dout_dot);
        const float* block_lse = lse + b.head * qkv.rows + b.segment + b.queries.begin;
        multiply(product_, q, false, k, true, p, 0.0f);
        multiply(product_, q_dot, false, k, true, p_dot, 0.0f);
        multiply(product_, q, false, k_dot, true, p_dot, 1.0f);
        multiply(product_, d_o, false, v, true, ds, 0.0f);
        multiply(product_, d_o_dot, false, v, true, ds_dot, 0.0f);
        multiply(product_, d_o, false, v_dot, true, ds_dot, 1.0f);
        for (int64_t r = 0; r < b.rows(); ++r) {
          const Range visible = visible_part(shape, b, r);
          const int64_t at = r * p.stride + visible.begin;
          score_gradient_tangents(p.data + at, p_dot.data + at, ds.data + at, ds_dot.data + at,
                                  visible.end - visible.begin, shape.scale, block_lse[r]);
          for (const Mat& each : strips) clear_hidden(each, r, visible);
        }
        const Mat dq = query_rows(shape, b, dqkv), dq_dot = query_rows(shape, b, dqkv_dot);
        const Mat dk_dot = block_sum(b, dk_dot_sum), dv_dot = block_sum(b, dv_dot_sum);
        multiply(product_, ds, false, k, false, dq, 0.0f);
        multiply(product_, ds_dot, false, k, false, dq_dot, 0.0f);
        multiply(product_, ds, false, k_dot, false, dq_dot, 1.0f);
        multiply(product_, ds, true, q, false, block_sum(b, dk_sum), 1.0f);
        multiply(product_, ds_dot, true, q, false, dk_dot, 1.0f);
        multiply(product_, ds, true, q_dot, false, dk_dot, 1.0f);
        multiply(product_, p, true, d_o, false, block_sum(b, dv_sum), 1.0f);
        multiply(product_, p_dot, true, d_o, false, dv_dot, 1.0f);
        multiply(product_, p, true, d_o_dot, false, dv_dot, 1.0f);
      });
    });
    if (division.parts > 1) {
      const auto partial_sum = [&](int which) {
        return [=](int64_t share) {
          return static_cast<const float*>(scratch(int(share), bytes)) + 4 * strip + which * partial;
        };
      };
#pragma omp barrier
      add_partial_sums(shape, division, dqkv, key_column, partial_sum(0));
      add_partial_sums(shape, division, dqkv, value_column, partial_sum(1));
      add_partial_sums(shape, division, dqkv_dot, key_column, partial_sum(2));
      add_partial_sums(shape, division, dqkv_dot, value_column, partial_sum(3));
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
