// Attention forward: a block owns queries of one head and sweeps their keys with a running maximum (Milakov &
// Gimelshein 2018; Dao et al. 2022, arXiv 2205.14135).
#pragma once

#include "attention_desk.cuh"

namespace gradfold::cuda {

template <class T, int kWidth, int kWarps, int kCols>
using ForwardDesk = Desk<T, kWidth, kWarps, kCols, 1, 2, 2>;

/// Unscaled scores of one tile become exp(scale s − maximum); totals, maxima and out follow the maximum.
template <int kRows, int kCols, int kWidth>
__device__ __forceinline__ void take_scores(const AttentionPlan& plan, const Spot& spot, int row, int key,
                                            Strip<kCols>& s, float (&top)[2], float (&total)[2], Strip<kWidth>& out) {
  const bool all = all_seen<kRows, kCols>(plan, spot, key, true);
  float largest[2] = {top[0], top[1]};
  for_each_score<kCols>([&](int block, int q, int r, int c) {
    const int query = spot.first + row + r, other = key + c;
    float& score = s.n[block][q];
    score = all || (other < spot.length && plan.sees(query, other)) ? plan.scale * score : -INFINITY;
    largest[q / 2] = fmaxf(largest[q / 2], score);
  });
  float shift[2], keep[2],
      share[2] = {0.0f, 0.0f};  // share: of the tile, so that small numbers add up among themselves
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float best = row_max(largest[half]);
    shift[half] = best == -INFINITY ? 0.0f : best;  // no key of this row yet
    keep[half] = expf(top[half] - shift[half]);
    top[half] = best;
  }
  for_each_score<kCols>([&](int block, int q, int, int) {
    s.n[block][q] = expf(s.n[block][q] - shift[q / 2]);
    share[q / 2] += s.n[block][q];
  });
#pragma unroll
  for (int half = 0; half < 2; ++half) total[half] = fmaf(total[half], keep[half], share[half]);
#pragma unroll
  for (int i = 0; i < Strip<kWidth>::kBlocks * 4; ++i) out.n[i / 4][i % 4] *= keep[i % 4 / 2];
}

/// out [N × heads head_dim], lse [heads × N]. Grid: blocks of queries × heads × chunks.
template <class T, int kWidth, int kWarps, int kCols>
__global__ void __launch_bounds__(kWarps* kWarp)
    attention_forward(AttentionPlan plan, Rows<const T> qkv, Rows<T> out, float* lse) {
  using D = ForwardDesk<T, kWidth, kWarps, kCols>;
  GRADFOLD_DYNAMIC_SHARED(shared);
  const Spot spot = Spot::of(plan, int(blockIdx.x), D::kRows);
  if (spot.rows == 0) return;
  const int head = int(blockIdx.y), kv_head = head / plan.group();
  D desk(shared, plan, spot);
  desk.owned[0] = {qkv.at(spot.begin + spot.first, plan.query_column(head)), qkv.stride};
  desk.swept[0] = {qkv.at(spot.begin, plan.key_column(kv_head)), qkv.stride};
  desk.swept[1] = {qkv.at(spot.begin, plan.value_column(kv_head)), qkv.stride};
  desk.own();

  const int row = D::warp() * kStripRows;
  typename D::Scores s;
  typename D::Output o;
  float top[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};
  s.clear();
  o.clear();
  desk.template sweep<2>(
      spot.keys(plan), [&](int buffer) { add_row_product<kWidth, D::kPitch>(s, desk.mine(0), desk.other(buffer, 0)); },
      [&](int key, int buffer) {
        take_scores<D::kRows>(plan, spot, row, key, s, top, total, o);
        add_held_product<D::kPitch>(o, s, desk.other(buffer, 1));
        s.clear();
      });

  // Rows beyond the segment see nothing at times; they are not written.
  total[0] = row_sum(total[0]);
  total[1] = row_sum(total[1]);
  put_strip(o, Rows<T>{out.at(spot.begin + spot.first, plan.query_column(head) + desk.column()), out.stride}, row,
            spot.rows, desk.width(), plan.pairs, 1.0f / total[0], 1.0f / total[1]);
  if (desk.chunk != 0 || int(threadIdx.x) % 4 != 0) return;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = row + strip_row(half * 2);
    if (r < spot.rows) lse[head * plan.tokens + spot.begin + spot.first + r] = top[half] + logf(total[half]);
  }
}

}  // namespace gradfold::cuda
