// Attention backward: with P recomputed from the saved log-sum-exp and D = rowsum(P ∘ dP),
//   dP = dO Vᵀ, dS = P ∘ (dP − D), dQ = scale dS K, dK = scale dSᵀ Q, dV = Pᵀ dO.
// D is equal to rowsum(dO ∘ O) but is taken from the dP that it is subtracted from: where a row's dP are nearly equal
// their common rounding then cancels.
#include <omp.h>

#include "attention_shares.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

/// In place over a row's visible part: unscaled scores s become P, and dp becomes scale dS.
static void score_gradients(float* s, float* dp, int64_t count, float scale, float lse) {
  double sum = 0, along = 0;
#pragma omp simd reduction(+ : sum, along)
  for (int64_t j = 0; j < count; ++j) {
    const float p = exp_float(scale * s[j] - lse);
    s[j] = p;
    sum += double(p);
    along += double(p) * double(dp[j]);
  }
  const double d = along / sum;
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) dp[j] = scale * s[j] * float(double(dp[j]) - d);
}

void CpuDevice::attention_backward(const AttentionShape& shape, ConstAnyMat qkv_, ConstAnyMat /*out*/, const float* lse,
                                   ConstAnyMat dout_, AnyMat dqkv_) {
  const ConstMat qkv = f32(qkv_);
  const ConstMat dout = f32(dout_);
  const Mat dqkv = f32(dqkv_);
  const ShareDivision division(shape, threads_);
  const int64_t strip = strip_floats(shape), partial = division.partial_floats(shape);
  const size_t bytes = size_t(2 * strip + 2 * partial) * sizeof(float);
  for (int t = 0; t < threads_; ++t) scratch(t, bytes);  // here, where a failure can still be thrown
#pragma omp parallel num_threads(threads_)
  {
    const int thread = omp_get_thread_num();
    for_each_share(shape, division, thread, omp_get_num_threads(), [&](const Share& share) {
      float* memory = static_cast<float*>(scratch(division.parts > 1 ? int(share.index) : thread, bytes));
      float* partials = memory + 2 * strip;
      const Mat dk_sum = share_sum(shape, share, dqkv, key_column(shape, share.kv_head), partials);
      const Mat dv_sum = share_sum(shape, share, dqkv, value_column(shape, share.kv_head), partials + partial);
      for_each_query_block(shape, share, [&](const QueryBlock& b) {
        const Mat p = strip_of(b, memory), ds = strip_of(b, memory + strip);
        const ConstMat q = query_rows(shape, b, qkv), k = key_rows(shape, b, qkv), v = value_rows(shape, b, qkv);
        const ConstMat d_o = query_rows(shape, b, dout);
        const float* block_lse = lse + b.head * qkv.rows + b.segment + b.queries.begin;
        multiply(product_, q, false, k, true, p, 0.0f);
        multiply(product_, d_o, false, v, true, ds, 0.0f);
        for (int64_t r = 0; r < b.rows(); ++r) {
          const Range visible = visible_part(shape, b, r);
          const int64_t at = r * p.stride + visible.begin;
          score_gradients(p.data + at, ds.data + at, visible.end - visible.begin, shape.scale, block_lse[r]);
          clear_hidden(p, r, visible);
          clear_hidden(ds, r, visible);
        }
        multiply(product_, ds, false, k, false, query_rows(shape, b, dqkv), 0.0f);
        multiply(product_, ds, true, q, false, block_sum(b, dk_sum), 1.0f);
        multiply(product_, p, true, d_o, false, block_sum(b, dv_sum), 1.0f);
      });
    });
    if (division.parts > 1) {
      const auto partial_sum = [&](int which) {
        return [=](int64_t share) {
          return static_cast<const float*>(scratch(int(share), bytes)) + 2 * strip + which * partial;
        };
      };
#pragma omp barrier
      add_partial_sums(shape, division, dqkv, key_column, partial_sum(0));
      add_partial_sums(shape, division, dqkv, value_column, partial_sum(1));
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
