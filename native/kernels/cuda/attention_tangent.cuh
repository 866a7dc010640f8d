// Attention forward tangent: Ȯ = ṖV + PV̇ with Ṡ = scale(Q̇Kᵀ + QK̇ᵀ) and Ṗ = P ∘ (Ṡ − rowsum(P ∘ Ṡ)). A first sweep
// takes the sums over rows: subtracting them from finished products instead would cancel digits.
#pragma once

#include "attention_desk.cuh"

namespace gradfold::cuda {

template <class T, int kWidth, int kWarps, int kCols>
using TangentDesk = Desk<T, kWidth, kWarps, kCols, 2, 4, 1>;

/// Grid: blocks of queries × heads × chunks.
template <class T, int kWidth, int kWarps, int kCols>
__global__ void __launch_bounds__(kWarps* kWarp)
    attention_tangent_queries(AttentionPlan plan, Rows<const T> qkv, Rows<const T> qkv_dot, const float* lse,
                              Rows<T> out_dot) {
  using D = TangentDesk<T, kWidth, kWarps, kCols>;
  GRADFOLD_DYNAMIC_SHARED(shared);
  const Spot spot = Spot::of(plan, int(blockIdx.x), D::kRows);
  if (spot.rows == 0) return;
  const int head = int(blockIdx.y), kv_head = head / plan.group(), row = D::warp() * kStripRows;
  const int64_t first = spot.begin + spot.first;
  D desk(shared, plan, spot);
  desk.owned[0] = {qkv.at(first, plan.query_column(head)), qkv.stride};
  desk.owned[1] = {qkv_dot.at(first, plan.query_column(head)), qkv_dot.stride};
  desk.swept[0] = {qkv.at(spot.begin, plan.key_column(kv_head)), qkv.stride};
  desk.swept[1] = {qkv_dot.at(spot.begin, plan.key_column(kv_head)), qkv_dot.stride};
  desk.swept[2] = {qkv.at(spot.begin, plan.value_column(kv_head)), qkv.stride};
  desk.swept[3] = {qkv_dot.at(spot.begin, plan.value_column(kv_head)), qkv_dot.stride};
  desk.own();

  float log_sum[2];
  of_rows(plan, spot, lse, head, spot.first + row, log_sum);
  typename D::Scores s, s_dot;  // unscaled
  typename D::Output o_dot;
  s.clear();
  s_dot.clear();
  o_dot.clear();
  const auto add = [&](int buffer) {
    add_row_product<kWidth, D::kPitch>(s, desk.mine(0), desk.other(buffer, 0));
    add_row_product<kWidth, D::kPitch>(s_dot, desk.mine(1), desk.other(buffer, 0));
    add_row_product<kWidth, D::kPitch>(s_dot, desk.mine(0), desk.other(buffer, 1));
  };
  const auto p_of = [&](bool all, int key, int block, int q, int r, int c) {
    return probability(plan, spot, all, spot.first + row + r, key + c, s.n[block][q], log_sum[q / 2]);
  };

  double sums[2] = {0.0, 0.0};
  desk.template sweep<2>(spot.keys(plan), add, [&](int key, int) {
    const bool all = all_seen<D::kRows, kCols>(plan, spot, key, true);
    float tile[2] = {0.0f, 0.0f};
    for_each_score<kCols>([&](int block, int q, int r, int c) {
      tile[q / 2] = fmaf(p_of(all, key, block, q, r, c), s_dot.n[block][q], tile[q / 2]);
    });
    sums[0] += double(tile[0]);
    sums[1] += double(tile[1]);
    s.clear();
    s_dot.clear();
  });
  const float mean[2] = {float(row_sum(sums[0])), float(row_sum(sums[1]))};

  desk.template sweep<4>(spot.keys(plan), add, [&](int key, int buffer) {
    const bool all = all_seen<D::kRows, kCols>(plan, spot, key, true);
    for_each_score<kCols>([&](int block, int q, int r, int c) {
      const float p = p_of(all, key, block, q, r, c);
      s_dot.n[block][q] = plan.scale * p * (s_dot.n[block][q] - mean[q / 2]);
      s.n[block][q] = p;
    });
    add_held_product<D::kPitch>(o_dot, s_dot, desk.other(buffer, 2));
    add_held_product<D::kPitch>(o_dot, s, desk.other(buffer, 3));
    s.clear();
    s_dot.clear();
  });
  put_strip(o_dot, Rows<T>{out_dot.at(first, plan.query_column(head) + desk.column()), out_dot.stride}, row, spot.rows,
            desk.width(), plan.pairs, 1.0f, 1.0f);
}

}  // namespace gradfold::cuda
