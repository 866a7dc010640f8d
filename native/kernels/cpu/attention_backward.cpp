// Attention backward: with P recomputed from the saved log-sum-exp and D = rowsum(P ∘ dP),
//   dP = dO Vᵀ, dS = P ∘ (dP − D), dQ = scale dS K, dK = scale dSᵀ Q, dV = Pᵀ dO.
// D is equal to rowsum(dO ∘ O) but is taken from the dP that it is subtracted from: where a row's dP are nearly equal
// their common rounding then cancels. Over several tiles of keys a first sweep sums D.
#include <omp.h>

#include "attention_passes.h"
#include "attention_rows.h"
#include "attention_sums.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Sums over the keys of a query: Σ P, which is 1 up to rounding, and Σ P ∘ dP.
enum { kP, kAlong, kSums };
typedef double RowSums[kSums];

/// In place, unscaled scores s become P, which is summed.
void probabilities(float* s, const float* dp, int64_t vectors, float scale, float lse, RowSums& sums) {
  exponentials(s, vectors, scale, lse);
  add_row_sums(vectors, sums, [=](int64_t j, DoubleVec* terms) {
    terms[kP] = widen(s + j);
    terms[kAlong] = terms[kP] * widen(dp + j);
  });
}

/// In place, dp becomes scale dS.
void score_gradients(const float* p, float* dp, int64_t vectors, float scale, const RowSums& sums) {
  const double d = sums[kAlong] / sums[kP];
#pragma omp simd
  for (int64_t j = 0; j < vectors * kLanes; ++j) dp[j] = scale * p[j] * float(double(dp[j]) - d);
}

/// One thread's scratch.
struct Memory {
  int64_t width;
  Operand *queries, *query_terms, *dout, *dout_terms, *keys, *key_columns, *value_columns;
  float *dqueries, *lines;
  RowSums* row_sums;
  Strip p, ds;
  Scratch scratch;
  ThreadSums<1> sums;

  Memory(const AttentionShape& shape, void* memory)
      : width(operand_width(shape)), scratch(memory), sums(shape, scratch) {
    const int64_t rows = largest_task(shape), tile = tile_keys(shape);
    scratch.take_each(rows * width, {&queries, &dout});
    query_terms = take_query_rows(rows * width, queries, scratch);
    dout_terms = take_query_rows(rows * width, dout, scratch);
    dqueries = scratch.take<float>(rows * width);
    scratch.take_each(tile * width, {&keys, &key_columns, &value_columns});
    lines = scratch.take<float>(kLanes * width);
    row_sums = scratch.take<RowSums>(rows);
    p = take_strip(tile, scratch);
    ds = take_strip(tile, scratch);
  }
};

template <class T>
void backward(const AttentionShape& shape, const Task& task, const View<const T>& qkv, const float* lse,
              const View<const T>& dout, const View<T>& dqkv, Memory& m, LaidTile* laid) {
  const float* task_lse = lse + task.head * qkv.rows + task.begin + task.queries.begin;
  const auto sums = m.sums.of(shape, task)[0];
  lay_score_rows(query_rows(shape, task, qkv), m.width, m.queries);
  lay_query_rows(query_rows(shape, task, qkv), m.width, m.query_terms);
  lay_score_rows(query_rows(shape, task, dout), m.width, m.dout);
  lay_query_rows(query_rows(shape, task, dout), m.width, m.dout_terms);
  for (int64_t i = 0; i < task.rows() * m.width; ++i) m.dqueries[i] = 0.0f;
  for (int64_t r = 0; r < task.rows(); ++r)
    for (double& sum : m.row_sums[r]) sum = 0.0;
  for_each_sweep(shape, task, [&](const Sweep& sweep) {
    for_each_tile(shape, task, [&](Range tile) {
      if (laid->changes_to(task, tile)) {
        lay_key_rows(key_rows(shape, task, tile, qkv), m.width, m.keys);
        lay_score_columns(key_rows(shape, task, tile, qkv), m.width, m.lines, m.key_columns);
        lay_score_columns(value_rows(shape, task, tile, qkv), m.width, m.lines, m.value_columns);
      }
      for_each_block(shape, task, tile, [&](const Block& block, int64_t first) {
        const int64_t at = first * m.width, tile_at = tile.begin * m.width;
        score_product(block, m.queries + at, m.key_columns, m.width, m.p, false);
        score_product(block, m.dout + at, m.value_columns, m.width, m.ds, false);
        for (int64_t r = 0; r < block.rows(); ++r) {
          const RowVectors row = hide(m.p, r, block.keys(r, 1));
          float *p = m.p.row(r) + row.begin, *ds = m.ds.row(r) + row.begin;
          RowSums unused{}, &row_sums = m.row_sums[first + r];
          probabilities(p, ds, row.count, shape.scale, task_lse[first + r], sweep.sums ? row_sums : unused);
          if (sweep.products) score_gradients(p, ds, row.count, shape.scale, row_sums);
        }
        if (!sweep.products) return;
        finish_strip(block, m.p, Uses::queries);
        finish_strip(block, m.ds, Uses::both);
        add_key_product(block, m.ds, m.keys, m.width, m.dqueries + at);
        add_query_product(block, m.ds, m.query_terms + at, m.width, sums.keys + tile_at);
        add_query_product(block, m.p, m.dout_terms + at, m.width, sums.values + tile_at);
      });
    });
  });
  const View<T> dq = query_rows(shape, task, dqkv);
  for (int64_t r = 0; r < task.rows(); ++r) put_row(m.dqueries + r * m.width, 1.0f, dq.row(r), shape.head_dim);
  m.sums.finish(shape, task, {dqkv});
}

}  // namespace

size_t attention_backward_bytes(const AttentionShape& shape) { return Memory(shape, nullptr).scratch.used(); }

void attention_backward(const AttentionTeam& team, const AttentionShape& shape, ConstAnyMat qkv, const float* lse,
                        ConstAnyMat dout, AnyMat dqkv) {
  with_matrix_type(qkv.type, [&](auto number) {
    using T = decltype(number);
#pragma omp parallel num_threads(team.threads)
    {
      const ProductScope scope;
      const int thread = omp_get_thread_num();
      Memory memory(shape, team.scratch[thread]);
      LaidTile laid;
      memory.sums.start();
      for_each_task(shape, thread, omp_get_num_threads(), [&](const Task& task) {
        backward(shape, task, view_as<T>(qkv), lse, view_as<T>(dout), view_as<T>(dqkv), memory, &laid);
      });
#pragma omp barrier
      put_cut_pairs<T, 1>(shape, {view_as<T>(dqkv)},
                          [&](int other) { return Memory(shape, team.scratch[other]).sums; });
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
