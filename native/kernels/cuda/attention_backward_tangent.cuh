// Attention backward and its tangent. With Ṡ, P, Ṗ as in the forward tangent and D = rowsum(P ∘ dP):
//   dP = dO Vᵀ, dṖ = dȮ Vᵀ + dO V̇ᵀ, dS = P ∘ (dP − D), Ḋ = rowsum(Ṗ ∘ dP + P ∘ dṖ),
//   dṠ = Ṗ ∘ (dP − D) + P ∘ (dṖ − Ḋ),
//   dQ = scale dS K, dQ̇ = scale(dṠ K + dS K̇), dK = scale dSᵀ Q, dK̇ = scale(dṠᵀ Q + dSᵀ Q̇),
//   dV = Pᵀ dO, dV̇ = Ṗᵀ dO + Pᵀ dȮ.
// One pass over queries takes the sums over rows in a first sweep and dQ, dQ̇ in a second; two passes over keys, one for
// keys and one for values, keep registers few.
#pragma once

#include "attention_desk.cuh"

namespace gradfold::cuda {

template <class T, int kWidth, int kWarps, int kCols>
using DualDesk = Desk<T, kWidth, kWarps, kCols, 4, 4, 1>;

/// Inputs of the passes.
template <class T>
struct DualOperands {
  Rows<const T> qkv, qkv_dot, dout, dout_dot;
  const float* lse;
};

/// Sums over the keys of each query [heads of the launch × N], with unscaled ṡ: Σ P ∘ ṡ, D and Ḋ.
struct RowSums {
  float *mean, *d, *d_dot;
};

/// What the scores of a pair become, of unscaled s and ṡ: Ṗ, scale dS and scale dṠ.
struct PairGradients {
  float p_dot, ds, ds_dot;

  __device__ __forceinline__ PairGradients(float scale, float p, float s_dot, float dp, float dp_dot, float mean,
                                           float d, float d_dot)
      : p_dot(scale * p * (s_dot - mean)),
        ds(scale * p * (dp - d)),
        ds_dot(scale * (p_dot * (dp - d) + p * (dp_dot - d_dot))) {}
};

/// s, ṡ (unscaled), dP and dṖ of a strip of queries against keys, or of keys against queries.
template <int kCols>
struct DualScores {
  Strip<kCols> s, s_dot, dp, dp_dot;

  __device__ __forceinline__ void clear() {
    s.clear();
    s_dot.clear();
    dp.clear();
    dp_dot.clear();
  }
};

/// Adds a chunk's share. Tiles are (query, query tangent, dO, dȮ) on one side, (key, its tangent, value, its tangent)
/// on the other, so that each score is the product of tiles of equal number.
template <class D, int kCols>
__device__ __forceinline__ void add_dual_scores(DualScores<kCols>& scores, const D& desk, int buffer) {
  add_row_product<D::kWidth, D::kPitch>(scores.s, desk.mine(0), desk.other(buffer, 0));
  add_row_product<D::kWidth, D::kPitch>(scores.s_dot, desk.mine(1), desk.other(buffer, 0));
  add_row_product<D::kWidth, D::kPitch>(scores.s_dot, desk.mine(0), desk.other(buffer, 1));
  add_row_product<D::kWidth, D::kPitch>(scores.dp, desk.mine(2), desk.other(buffer, 2));
  add_row_product<D::kWidth, D::kPitch>(scores.dp_dot, desk.mine(3), desk.other(buffer, 2));
  add_row_product<D::kWidth, D::kPitch>(scores.dp_dot, desk.mine(2), desk.other(buffer, 3));
}

/// Tiles of queries of a head from `row` of the segment on.
template <class T>
__device__ __forceinline__ void take_queries(const AttentionPlan& plan, const DualOperands<T>& x, int64_t token,
                                             int head, Source<T> (&tiles)[4]) {
  tiles[0] = {x.qkv.at(token, plan.query_column(head)), x.qkv.stride};
  tiles[1] = {x.qkv_dot.at(token, plan.query_column(head)), x.qkv_dot.stride};
  tiles[2] = {x.dout.at(token, plan.query_column(head)), x.dout.stride};
  tiles[3] = {x.dout_dot.at(token, plan.query_column(head)), x.dout_dot.stride};
}

template <class T>
__device__ __forceinline__ void take_keys(const AttentionPlan& plan, const DualOperands<T>& x, int64_t token,
                                          int kv_head, Source<T> (&tiles)[4]) {
  tiles[0] = {x.qkv.at(token, plan.key_column(kv_head)), x.qkv.stride};
  tiles[1] = {x.qkv_dot.at(token, plan.key_column(kv_head)), x.qkv_dot.stride};
  tiles[2] = {x.qkv.at(token, plan.value_column(kv_head)), x.qkv.stride};
  tiles[3] = {x.qkv_dot.at(token, plan.value_column(kv_head)), x.qkv_dot.stride};
}

/// dQ, dQ̇ and the sums. Grid: blocks of queries × heads × chunks.
template <class T, int kWidth, int kWarps, int kCols>
__global__ void __launch_bounds__(kWarps* kWarp)
    attention_dual_queries(AttentionPlan plan, DualOperands<T> x, RowSums sums, Rows<T> dqkv, Rows<T> dqkv_dot) {
  using D = DualDesk<T, kWidth, kWarps, kCols>;
  GRADFOLD_DYNAMIC_SHARED(shared);
  const Spot spot = Spot::of(plan, int(blockIdx.x), D::kRows);
  if (spot.rows == 0) return;
  const int head = plan.query_head(), row = D::warp() * kStripRows;
  const int64_t first = spot.begin + spot.first;
  D desk(shared, plan, spot);
  take_queries(plan, x, first, head, desk.owned);
  take_keys(plan, x, spot.begin, head / plan.group(), desk.swept);
  desk.own();

  float log_sum[2];
  of_rows(plan, spot, x.lse, head, spot.first + row, log_sum);
  DualScores<kCols> scores;
  scores.clear();
  const auto add = [&](int buffer) { add_dual_scores(scores, desk, buffer); };
  const auto p_of = [&](bool all, int key, int block, int q, int r, int c) {
    return probability(plan, spot, all, spot.first + row + r, key + c, scores.s.n[block][q], log_sum[q / 2]);
  };

  float mean[2], d[2], d_dot[2];
  {
    enum { kP, kSDot, kDp, kSDotDp, kDpDot, kSums };  // Σ P, Σ P ∘ ṡ, Σ P ∘ dP, Σ P ∘ ṡ ∘ dP, Σ P ∘ dṖ
    double totals[kSums][2] = {};
    desk.template sweep<4>(spot.keys(plan), add, [&](int key, int) {
      const bool all = all_seen<D::kRows, kCols>(plan, spot, key, true);
      float tile[kSums][2] = {};
      for_each_score<kCols>([&](int block, int q, int r, int c) {
        const float p = p_of(all, key, block, q, r, c);
        const float s_dot = p * scores.s_dot.n[block][q], dp = scores.dp.n[block][q];
        tile[kP][q / 2] += p;
        tile[kSDot][q / 2] += s_dot;
        tile[kDp][q / 2] = fmaf(p, dp, tile[kDp][q / 2]);
        tile[kSDotDp][q / 2] = fmaf(s_dot, dp, tile[kSDotDp][q / 2]);
        tile[kDpDot][q / 2] = fmaf(p, scores.dp_dot.n[block][q], tile[kDpDot][q / 2]);
      });
#pragma unroll
      for (int i = 0; i < kSums * 2; ++i) totals[i / 2][i % 2] += double(tile[i / 2][i % 2]);
      scores.clear();
    });
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      double total[kSums];
#pragma unroll
      for (int i = 0; i < kSums; ++i) total[i] = row_sum(totals[i][half]);
      // Σ P is 1 up to rounding, and 0 for rows beyond the segment.
      const double whole = total[kP] > 0.0 ? total[kP] : 1.0, mean_s = total[kSDot] / whole,
                   mean_dp = total[kDp] / whole;
      mean[half] = float(mean_s);
      d[half] = float(mean_dp);
      d_dot[half] = float(double(plan.scale) * (total[kSDotDp] / whole - mean_s * mean_dp) + total[kDpDot] / whole);
      const int r = row + strip_row(half * 2);
      if (desk.chunk != 0 || r >= spot.rows || int(threadIdx.x) % 4 != 0) continue;
      const int64_t at = plan.of_launch(head) * plan.tokens + first + r;
      sums.mean[at] = mean[half];
      sums.d[at] = d[half];
      sums.d_dot[at] = d_dot[half];
    }
  }

  typename D::Output dq, dq_dot;
  dq.clear();
  dq_dot.clear();
  desk.template sweep<4>(spot.keys(plan), add, [&](int key, int buffer) {
    const bool all = all_seen<D::kRows, kCols>(plan, spot, key, true);
    for_each_score<kCols>([&](int block, int q, int r, int c) {
      const PairGradients pair(plan.scale, p_of(all, key, block, q, r, c), scores.s_dot.n[block][q],
                               scores.dp.n[block][q], scores.dp_dot.n[block][q], mean[q / 2], d[q / 2], d_dot[q / 2]);
      scores.dp.n[block][q] = pair.ds;
      scores.dp_dot.n[block][q] = pair.ds_dot;
    });
    add_held_product<D::kPitch>(dq, scores.dp, desk.other(buffer, 0));
    add_held_product<D::kPitch>(dq_dot, scores.dp_dot, desk.other(buffer, 0));
    add_held_product<D::kPitch>(dq_dot, scores.dp, desk.other(buffer, 1));
    scores.clear();
  });
  const int64_t column = plan.query_column(head) + desk.column();
  put_strip(dq, Rows<T>{dqkv.at(first, column), dqkv.stride}, row, spot.rows, desk.width(), plan.pairs, 1.0f, 1.0f);
  put_strip(dq_dot, Rows<T>{dqkv_dot.at(first, column), dqkv_dot.stride}, row, spot.rows, desk.width(), plan.pairs,
            1.0f, 1.0f);
}

/// dK, dK̇, or with kValues dV, dV̇, summed over the query heads of a key head. Grid: blocks of keys × key heads ×
/// chunks.
template <class T, int kWidth, int kWarps, int kCols, bool kValues>
__global__ void __launch_bounds__(kWarps* kWarp)
    attention_dual_keys(AttentionPlan plan, DualOperands<T> x, RowSums sums, Rows<T> dqkv, Rows<T> dqkv_dot) {
  using D = DualDesk<T, kWidth, kWarps, kCols>;
  GRADFOLD_DYNAMIC_SHARED(shared);
  const Spot spot = Spot::of(plan, int(blockIdx.x), D::kRows);
  if (spot.rows == 0) return;
  const int kv_head = plan.key_head(), row = D::warp() * kStripRows;
  const int64_t first = spot.begin + spot.first;
  D desk(shared, plan, spot);
  take_keys(plan, x, first, kv_head, desk.owned);
  desk.own();

  DualScores<kCols> scores;  // transposed: a row for each key
  typename D::Output value, tangent;
  scores.clear();
  value.clear();
  tangent.clear();
  for (int head = kv_head * plan.group(); head < (kv_head + 1) * plan.group(); ++head) {
    take_queries(plan, x, spot.begin, head, desk.swept);
    desk.template sweep<4>(
        spot.queries(plan),
        [&](int buffer) {
          if (!kValues) return add_dual_scores(scores, desk, buffer);
          add_row_product<kWidth, D::kPitch>(scores.s, desk.mine(0), desk.other(buffer, 0));
          add_row_product<kWidth, D::kPitch>(scores.s_dot, desk.mine(1), desk.other(buffer, 0));
          add_row_product<kWidth, D::kPitch>(scores.s_dot, desk.mine(0), desk.other(buffer, 1));
        },
        [&](int query, int buffer) {
          const bool all = all_seen<D::kRows, kCols>(plan, spot, query, false);
          for_each_score<kCols>([&](int block, int q, int r, int c) {
            const int asking = query + c;
            const auto of = [&](const float* numbers) {
              return of_query(plan, spot, numbers, plan.of_launch(head), asking);
            };
            const float p = probability(plan, spot, all, asking, spot.first + row + r, scores.s.n[block][q],
                                        of_query(plan, spot, x.lse, head, asking));
            const PairGradients pair(plan.scale, p, scores.s_dot.n[block][q], scores.dp.n[block][q],
                                     scores.dp_dot.n[block][q], of(sums.mean), kValues ? 0.0f : of(sums.d),
                                     kValues ? 0.0f : of(sums.d_dot));
            scores.s.n[block][q] = kValues ? p : pair.ds;
            scores.s_dot.n[block][q] = kValues ? pair.p_dot : pair.ds_dot;
          });
          constexpr int kTile = kValues ? 2 : 0;
          add_held_product<D::kPitch>(value, scores.s, desk.other(buffer, kTile));
          add_held_product<D::kPitch>(tangent, scores.s_dot, desk.other(buffer, kTile));
          add_held_product<D::kPitch>(tangent, scores.s, desk.other(buffer, kTile + 1));
          scores.clear();
        });
  }
  const int64_t column = (kValues ? plan.value_column(kv_head) : plan.key_column(kv_head)) + desk.column();
  put_strip(value, Rows<T>{dqkv.at(first, column), dqkv.stride}, row, spot.rows, desk.width(), plan.pairs, 1.0f, 1.0f);
  put_strip(tangent, Rows<T>{dqkv_dot.at(first, column), dqkv_dot.stride}, row, spot.rows, desk.width(), plan.pairs,
            1.0f, 1.0f);
}

}  // namespace gradfold::cuda
