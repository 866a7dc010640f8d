// Attention backward and its tangent in one sweep. With Ṡ, P, Ṗ as in the forward tangent and D = rowsum(P ∘ dP):
//   dP = dO Vᵀ, dṖ = dȮ Vᵀ + dO V̇ᵀ, dS = P ∘ (dP − D), Ḋ = rowsum(Ṗ ∘ dP + P ∘ dṖ),
//   dṠ = Ṗ ∘ (dP − D) + P ∘ (dṖ − Ḋ),
//   dQ = scale dS K, dQ̇ = scale(dṠ K + dS K̇), dK = scale dSᵀ Q, dK̇ = scale(dṠᵀ Q + dSᵀ Q̇),
//   dV = Pᵀ dO, dV̇ = Ṗᵀ dO + Pᵀ dȮ.
// Over several tiles of keys a first sweep takes the sums over rows. In float32 products for matrices of either type.
#include <omp.h>

#include "attention_rows.h"
#include "attention_sums.h"
#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Sums over the keys of a query, with ṡ unscaled: Σ P, which is 1 up to rounding, Σ P ∘ ṡ, Σ P ∘ dP, Σ P ∘ ṡ ∘ dP and
/// Σ P ∘ dṖ.
enum { kP, kSDot, kDp, kSDotDp, kDpDot, kSums };
typedef double RowSums[kSums];

/// In place, unscaled scores s become P, which is summed.
void probabilities(float* s, const float* s_dot, const float* dp, const float* dp_dot, int64_t vectors, float scale,
                   float lse, RowSums& sums) {
  exponentials(s, vectors, scale, lse);
  add_row_sums(vectors, sums, [=](int64_t j, DoubleVec* terms) {
    terms[kP] = widen(s + j);
    terms[kSDot] = terms[kP] * widen(s_dot + j);
    terms[kDp] = terms[kP] * widen(dp + j);
    terms[kSDotDp] = terms[kSDot] * widen(dp + j);
    terms[kDpDot] = terms[kP] * widen(dp_dot + j);
  });
}

/// In place: s_dot → Ṗ, dp → scale dS, dp_dot → scale dṠ.
void score_gradient_tangents(const float* p, float* s_dot, float* dp, float* dp_dot, int64_t vectors, float scale,
                             const RowSums& sums) {
  const double mean = sums[kSDot] / sums[kP], d = sums[kDp] / sums[kP];
  const double d_dot = double(scale) * (sums[kSDotDp] / sums[kP] - mean * d) + sums[kDpDot] / sums[kP];
#pragma omp simd
  for (int64_t j = 0; j < vectors * kLanes; ++j) {
    const float scaled = scale * p[j], p_dot = scaled * float(double(s_dot[j]) - mean);
    const float centred = float(double(dp[j]) - d);
    s_dot[j] = p_dot;
    dp_dot[j] = scale * p_dot * centred + scaled * float(double(dp_dot[j]) - d_dot);
    dp[j] = scaled * centred;
  }
}

/// One thread's scratch.
struct Memory {
  int64_t width;
  float *queries, *queries_dot, *dout, *dout_dot, *dqueries, *dqueries_dot;
  float *keys, *keys_dot, *key_slivers, *key_slivers_dot, *value_slivers, *value_slivers_dot, *lines;
  RowSums* row_sums;
  Strip p, p_dot, ds, ds_dot;
  Scratch scratch;
  ThreadSums<2> sums;  // of dqkv and of its tangent

  Memory(const AttentionShape& shape, void* memory)
      : width(operand_width(shape)), scratch(memory), sums(shape, scratch) {
    const int64_t rows = largest_task(shape), tile = tile_keys(shape);
    scratch.take_each(rows * width, {&queries, &queries_dot, &dout, &dout_dot, &dqueries, &dqueries_dot});
    scratch.take_each(tile * width,
                      {&keys, &keys_dot, &key_slivers, &key_slivers_dot, &value_slivers, &value_slivers_dot});
    lines = scratch.take<float>(kLanes * width);
    row_sums = scratch.take<RowSums>(rows);
    Strip* const strips[] = {&p, &p_dot, &ds, &ds_dot};
    for (Strip* strip : strips) *strip = take_strip(tile, scratch);
  }
};

/// Input matrices and the output's halves.
template <class T>
struct Operands {
  View<const T> qkv, qkv_dot, dout, dout_dot;
  View<T> dqkv, dqkv_dot;
};

template <class T>
void lay_tile(const AttentionShape& shape, const Task& task, Range tile, const Operands<T>& x, const Memory& m) {
  lay_rows(key_rows(shape, task, tile, x.qkv), m.width, m.keys);
  lay_rows(key_rows(shape, task, tile, x.qkv_dot), m.width, m.keys_dot);
  lay_slivers(key_rows(shape, task, tile, x.qkv), m.width, m.lines, m.key_slivers);
  lay_slivers(key_rows(shape, task, tile, x.qkv_dot), m.width, m.lines, m.key_slivers_dot);
  lay_slivers(value_rows(shape, task, tile, x.qkv), m.width, m.lines, m.value_slivers);
  lay_slivers(value_rows(shape, task, tile, x.qkv_dot), m.width, m.lines, m.value_slivers_dot);
}

/// S, Ṡ (unscaled), dP and dṖ of the block whose operands begin at `at`.
void fill_strips(const Block& block, int64_t at, const Memory& m) {
  score_product(block, m.queries + at, m.key_slivers, m.width, m.p, false);
  score_product(block, m.queries_dot + at, m.key_slivers, m.width, m.p_dot, false);
  score_product(block, m.queries + at, m.key_slivers_dot, m.width, m.p_dot, true);
  score_product(block, m.dout + at, m.value_slivers, m.width, m.ds, false);
  score_product(block, m.dout_dot + at, m.value_slivers, m.width, m.ds_dot, false);
  score_product(block, m.dout + at, m.value_slivers_dot, m.width, m.ds_dot, true);
}

/// dQ, dK, dV and their tangents from the strips; sums of the tile begin at `tile_at`.
void add_gradients(const Block& block, int64_t at, const ThreadSums<2>::Sums* sums, int64_t tile_at, const Memory& m) {
  float *dk = sums[0].keys + tile_at, *dv = sums[0].values + tile_at;
  float *dk_dot = sums[1].keys + tile_at, *dv_dot = sums[1].values + tile_at;
  finish_strip(block, m.p, Uses::queries);
  finish_strip(block, m.p_dot, Uses::queries);
  finish_strip(block, m.ds, Uses::both);
  finish_strip(block, m.ds_dot, Uses::both);
  add_key_product(block, m.ds, m.keys, m.width, m.dqueries + at);
  add_key_product(block, m.ds_dot, m.keys, m.width, m.dqueries_dot + at);
  add_key_product(block, m.ds, m.keys_dot, m.width, m.dqueries_dot + at);
  add_query_product(block, m.ds, m.queries + at, m.width, dk);
  add_query_product(block, m.ds_dot, m.queries + at, m.width, dk_dot);
  add_query_product(block, m.ds, m.queries_dot + at, m.width, dk_dot);
  add_query_product(block, m.p, m.dout + at, m.width, dv);
  add_query_product(block, m.p_dot, m.dout + at, m.width, dv_dot);
  add_query_product(block, m.p, m.dout_dot + at, m.width, dv_dot);
}

template <class T>
void backward_tangent(const AttentionShape& shape, const Task& task, const Operands<T>& x, const float* lse, Memory& m,
                      LaidTile* laid) {
  const float* task_lse = lse + task.head * x.qkv.rows + task.begin + task.queries.begin;
  const auto* sums = m.sums.of(shape, task);
  lay_rows(query_rows(shape, task, x.qkv), m.width, m.queries);
  lay_rows(query_rows(shape, task, x.qkv_dot), m.width, m.queries_dot);
  lay_rows(query_rows(shape, task, x.dout), m.width, m.dout);
  lay_rows(query_rows(shape, task, x.dout_dot), m.width, m.dout_dot);
  for (int64_t i = 0; i < task.rows() * m.width; ++i) m.dqueries[i] = m.dqueries_dot[i] = 0.0f;
  for (int64_t r = 0; r < task.rows(); ++r)
    for (double& sum : m.row_sums[r]) sum = 0.0;
  for_each_sweep(shape, task, [&](const Sweep& sweep) {
    for_each_tile(shape, task, [&](Range tile) {
      if (laid->changes_to(task, tile)) lay_tile(shape, task, tile, x, m);
      for_each_block(shape, task, tile, [&](const Block& block, int64_t first) {
        fill_strips(block, first * m.width, m);
        for (int64_t r = 0; r < block.rows(); ++r) {
          const RowVectors row = hide(m.p, r, block.keys(r, 1));
          float *p = m.p.row(r) + row.begin, *p_dot = m.p_dot.row(r) + row.begin;
          float *ds = m.ds.row(r) + row.begin, *ds_dot = m.ds_dot.row(r) + row.begin;
          RowSums unused{}, &row_sums = m.row_sums[first + r];
          probabilities(p, p_dot, ds, ds_dot, row.count, shape.scale, task_lse[first + r],
                        sweep.sums ? row_sums : unused);
          if (sweep.products) score_gradient_tangents(p, p_dot, ds, ds_dot, row.count, shape.scale, row_sums);
        }
        if (sweep.products) add_gradients(block, first * m.width, sums, tile.begin * m.width, m);
      });
    });
  });
  const View<T> dq = query_rows(shape, task, x.dqkv), dq_dot = query_rows(shape, task, x.dqkv_dot);
  for (int64_t r = 0; r < task.rows(); ++r) {
    put_row(m.dqueries + r * m.width, 1.0f, dq.row(r), shape.head_dim);
    put_row(m.dqueries_dot + r * m.width, 1.0f, dq_dot.row(r), shape.head_dim);
  }
  m.sums.finish(shape, task, {x.dqkv, x.dqkv_dot});
}

}  // namespace

void CpuDevice::attention_backward_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot,
                                           const float* lse, ConstAnyMat dout, ConstAnyMat dout_dot, AnyMat dqkv,
                                           AnyMat dqkv_dot) {
  const size_t bytes = Memory(shape, nullptr).scratch.used();
  for (int t = 0; t < threads_; ++t) scratch(t, bytes);  // here, where a failure can still be thrown
  with_type(qkv.type, [&](auto number) {
    using T = decltype(number);
    const Operands<T> x{view_as<T>(qkv),      view_as<T>(qkv_dot), view_as<T>(dout),
                        view_as<T>(dout_dot), view_as<T>(dqkv),    view_as<T>(dqkv_dot)};
#pragma omp parallel num_threads(threads_)
    {
      const int thread = omp_get_thread_num();
      Memory memory(shape, scratch(thread, bytes));
      LaidTile laid;
      memory.sums.start();
      for_each_task(shape, thread, omp_get_num_threads(),
                    [&](const Task& task) { backward_tangent(shape, task, x, lse, memory, &laid); });
#pragma omp barrier
      put_cut_pairs<T, 2>(shape, {x.dqkv, x.dqkv_dot},
                          [&](int other) { return Memory(shape, scratch(other, bytes)).sums; });
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
