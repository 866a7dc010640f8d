// Attention forward tangent: Ȯ = ṖV + PV̇ with Ṡ = scale(Q̇Kᵀ + QK̇ᵀ) and Ṗ = P ∘ (Ṡ − rowsum(P ∘ Ṡ)). In float32
// products for matrices of either type.
#include <omp.h>

#include "attention_operands.h"
#include "attention_rows.h"
#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// In place, unscaled scores s become P; returns Σ P ∘ ṡ.
double probabilities(float* s, const float* s_dot, int64_t vectors, float scale, float lse) {
  exponentials(s, vectors, scale, lse);
  double mean[1] = {0.0};
  add_row_sums(vectors, mean, [=](int64_t j, DoubleVec* terms) { terms[0] = widen(s + j) * widen(s_dot + j); });
  return mean[0];
}

/// In place, unscaled score tangents become Ṗ.
void probability_tangents(const float* p, float* s_dot, int64_t vectors, float scale, float mean) {
#pragma omp simd
  for (int64_t j = 0; j < vectors * kLanes; ++j) s_dot[j] = scale * p[j] * (s_dot[j] - mean);
}

/// One thread's scratch.
struct Memory {
  int64_t width;
  float *queries, *queries_dot, *keys, *keys_dot, *values, *values_dot, *lines, *out;
  double* means;  // Σ P ∘ ṡ of each query
  Strip p, p_dot;
  size_t bytes;

  Memory(const AttentionShape& shape, void* memory) : width(operand_width(shape)) {
    Scratch scratch(memory);
    const int64_t rows = largest_task(shape), tile = tile_keys(shape);
    scratch.take_each(rows * width, {&queries, &queries_dot, &out});
    scratch.take_each(tile * width, {&keys, &keys_dot, &values, &values_dot});
    lines = scratch.take<float>(kLanes * width);
    means = scratch.take<double>(rows);
    p = take_strip(tile, scratch);
    p_dot = take_strip(tile, scratch);
    bytes = scratch.used();
  }
};

template <class T>
void forward_tangent(const AttentionShape& shape, const Task& task, const View<const T>& qkv,
                     const View<const T>& qkv_dot, const float* lse, const View<T>& out_dot, const Memory& m,
                     LaidTile* laid) {
  const float* task_lse = lse + task.head * qkv.rows + task.begin + task.queries.begin;
  lay_rows(query_rows(shape, task, qkv), m.width, m.queries);
  lay_rows(query_rows(shape, task, qkv_dot), m.width, m.queries_dot);
  for (int64_t i = 0; i < task.rows() * m.width; ++i) m.out[i] = 0.0f;
  for (int64_t r = 0; r < task.rows(); ++r) m.means[r] = 0.0;
  for_each_sweep(shape, task, [&](const Sweep& sweep) {
    for_each_tile(shape, task, [&](Range tile) {
      if (laid->changes_to(task, tile)) {
        lay_slivers(key_rows(shape, task, tile, qkv), m.width, m.lines, m.keys);
        lay_slivers(key_rows(shape, task, tile, qkv_dot), m.width, m.lines, m.keys_dot);
        lay_rows(value_rows(shape, task, tile, qkv), m.width, m.values);
        lay_rows(value_rows(shape, task, tile, qkv_dot), m.width, m.values_dot);
      }
      for_each_block(shape, task, tile, [&](const Block& block, int64_t first) {
        const int64_t at = first * m.width;
        score_product(block, m.queries + at, m.keys, m.width, m.p, false);
        score_product(block, m.queries_dot + at, m.keys, m.width, m.p_dot, false);
        score_product(block, m.queries + at, m.keys_dot, m.width, m.p_dot, true);
        for (int64_t r = 0; r < block.rows(); ++r) {
          const RowVectors row = hide(m.p, r, block.keys(r, 1));
          float *p = m.p.row(r) + row.begin, *p_dot = m.p_dot.row(r) + row.begin;
          const double mean = probabilities(p, p_dot, row.count, shape.scale, task_lse[first + r]);
          if (sweep.sums) m.means[first + r] += mean;
          if (sweep.products) probability_tangents(p, p_dot, row.count, shape.scale, float(m.means[first + r]));
        }
        if (!sweep.products) return;
        finish_strip(block, m.p, Uses::keys);
        finish_strip(block, m.p_dot, Uses::keys);
        add_key_product(block, m.p_dot, m.values, m.width, m.out + at);
        add_key_product(block, m.p, m.values_dot, m.width, m.out + at);
      });
    });
  });
  const View<T> o_dot = query_rows(shape, task, out_dot);
  for (int64_t r = 0; r < task.rows(); ++r) put_row(m.out + r * m.width, 1.0f, o_dot.row(r), shape.head_dim);
}

}  // namespace

void CpuDevice::attention_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot, const float* lse,
                                  AnyMat out_dot) {
  const size_t bytes = Memory(shape, nullptr).bytes;
  for (int t = 0; t < threads_; ++t) scratch(t, bytes);  // here, where a failure can still be thrown
  with_type(qkv.type, [&](auto number) {
    using T = decltype(number);
#pragma omp parallel num_threads(threads_)
    {
      const int thread = omp_get_thread_num();
      const Memory memory(shape, scratch(thread, bytes));
      LaidTile laid;
      for_each_task(shape, thread, omp_get_num_threads(), [&](const Task& task) {
        forward_tangent(shape, task, view_as<T>(qkv), view_as<T>(qkv_dot), lse, view_as<T>(out_dot), memory, &laid);
      });
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
