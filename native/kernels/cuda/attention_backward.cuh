// Attention backward in two passes, so that no sum has two owners: one over queries for dQ, one over keys for dK and
// dV. Both recompute P from lse; with D = rowsum(dO ∘ O) = rowsum(P ∘ dP):
//   dP = dO Vᵀ, dS = P ∘ (dP − D), dQ = scale dS K, dK = scale dSᵀ Q, dV = Pᵀ dO.
#pragma once

#include "attention_desk.cuh"

namespace gradfold::cuda {

template <class T, int kWidth, int kWarps, int kCols>
using BackwardDesk = Desk<T, kWidth, kWarps, kCols, 2, 2, 1>;

/// dQ, and d [heads of the launch × N] receives D. Grid: blocks of queries × heads × chunks.
template <class T, int kWidth, int kWarps, int kCols>
__global__ void __launch_bounds__(kWarps* kWarp)
    attention_backward_queries(AttentionPlan plan, Rows<const T> qkv, Rows<const T> out, const float* lse,
                               Rows<const T> dout, Rows<T> dqkv, float* d) {
  using D = BackwardDesk<T, kWidth, kWarps, kCols>;
  GRADFOLD_DYNAMIC_SHARED(shared);
  const Spot spot = Spot::of(plan, int(blockIdx.x), D::kRows);
  if (spot.rows == 0) return;
  const int head = plan.query_head(), kv_head = head / plan.group();
  const int64_t first = spot.begin + spot.first;
  D desk(shared, plan, spot);
  desk.owned[0] = {qkv.at(first, plan.query_column(head)), qkv.stride};
  desk.owned[1] = {dout.at(first, plan.query_column(head)), dout.stride};
  desk.swept[0] = {qkv.at(spot.begin, plan.key_column(kv_head)), qkv.stride};
  desk.swept[1] = {qkv.at(spot.begin, plan.value_column(kv_head)), qkv.stride};
  desk.own();

  const int row = D::warp() * kStripRows;
  float log_sum[2], mean[2];
  of_rows(plan, spot, lse, head, spot.first + row, log_sum);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = row + strip_row(half * 2);
    float sum = 0.0f;
    if (r < spot.rows)
      for (int c = int(threadIdx.x) % 4; c < plan.head_dim; c += 4) {
        const int64_t column = plan.query_column(head) + c;
        sum = fmaf(to_float(dout.at(first + r, column)[0]), to_float(out.at(first + r, column)[0]), sum);
      }
    mean[half] = row_sum(sum);
    if (desk.chunk == 0 && r < spot.rows && int(threadIdx.x) % 4 == 0)
      d[plan.of_launch(head) * plan.tokens + first + r] = mean[half];
  }

  typename D::Scores s, dp;
  typename D::Output dq;
  s.clear();
  dp.clear();
  dq.clear();
  desk.template sweep<2>(
      spot.keys(plan),
      [&](int buffer) {
        add_row_product<kWidth, D::kPitch>(s, desk.mine(0), desk.other(buffer, 0));
        add_row_product<kWidth, D::kPitch>(dp, desk.mine(1), desk.other(buffer, 1));
      },
      [&](int key, int buffer) {
        const bool all = all_seen<D::kRows, kCols>(plan, spot, key, true);
        for_each_score<kCols>([&](int block, int q, int r, int c) {
          const float p = probability(plan, spot, all, spot.first + row + r, key + c, s.n[block][q], log_sum[q / 2]);
          s.n[block][q] = p * (dp.n[block][q] - mean[q / 2]);
        });
        add_held_product<D::kPitch>(dq, s, desk.other(buffer, 0));
        s.clear();
        dp.clear();
      });
  put_strip(dq, Rows<T>{dqkv.at(first, plan.query_column(head) + desk.column()), dqkv.stride}, row, spot.rows,
            desk.width(), plan.pairs, plan.scale, plan.scale);
}

/// dK and dV, summed over the query heads of a key head. Grid: blocks of keys × key heads × chunks.
template <class T, int kWidth, int kWarps, int kCols>
__global__ void __launch_bounds__(kWarps* kWarp)
    attention_backward_keys(AttentionPlan plan, Rows<const T> qkv, const float* lse, Rows<const T> dout, const float* d,
                            Rows<T> dqkv) {
  using D = BackwardDesk<T, kWidth, kWarps, kCols>;
  GRADFOLD_DYNAMIC_SHARED(shared);
  const Spot spot = Spot::of(plan, int(blockIdx.x), D::kRows);
  if (spot.rows == 0) return;
  const int kv_head = plan.key_head(), row = D::warp() * kStripRows;
  const int64_t first = spot.begin + spot.first;
  D desk(shared, plan, spot);
  desk.owned[0] = {qkv.at(first, plan.key_column(kv_head)), qkv.stride};
  desk.owned[1] = {qkv.at(first, plan.value_column(kv_head)), qkv.stride};
  desk.own();

  typename D::Scores s, dp;  // transposed: a row for each key
  typename D::Output dk, dv;
  s.clear();
  dp.clear();
  dk.clear();
  dv.clear();
  for (int head = kv_head * plan.group(); head < (kv_head + 1) * plan.group(); ++head) {
    desk.swept[0] = {qkv.at(spot.begin, plan.query_column(head)), qkv.stride};
    desk.swept[1] = {dout.at(spot.begin, plan.query_column(head)), dout.stride};
    desk.template sweep<2>(
        spot.queries(plan),
        [&](int buffer) {
          add_row_product<kWidth, D::kPitch>(s, desk.mine(0), desk.other(buffer, 0));
          add_row_product<kWidth, D::kPitch>(dp, desk.mine(1), desk.other(buffer, 1));
        },
        [&](int query, int buffer) {
          const bool all = all_seen<D::kRows, kCols>(plan, spot, query, false);
          float log_sum[kCols / 8][2], mean[kCols / 8][2];
          of_columns<kCols>(plan, spot, lse, head, query, log_sum);
          of_columns<kCols>(plan, spot, d, plan.of_launch(head), query, mean);
          for_each_score<kCols>([&](int block, int q, int r, int c) {
            const float p =
                probability(plan, spot, all, query + c, spot.first + row + r, s.n[block][q], log_sum[block][q % 2]);
            dp.n[block][q] = p * (dp.n[block][q] - mean[block][q % 2]);
            s.n[block][q] = p;
          });
          add_held_product<D::kPitch>(dv, s, desk.other(buffer, 1));
          add_held_product<D::kPitch>(dk, dp, desk.other(buffer, 0));
          s.clear();
          dp.clear();
        });
  }
  put_strip(dk, Rows<T>{dqkv.at(first, plan.key_column(kv_head) + desk.column()), dqkv.stride}, row, spot.rows,
            desk.width(), plan.pairs, plan.scale, plan.scale);
  put_strip(dv, Rows<T>{dqkv.at(first, plan.value_column(kv_head) + desk.column()), dqkv.stride}, row, spot.rows,
            desk.width(), plan.pairs, 1.0f, 1.0f);
}

}  // namespace gradfold::cuda
