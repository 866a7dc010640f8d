// Attention forward: O = softmax(scale QKᵀ) V, a strip of scores at a time, keeping each query's log-sum-exp. Over
// several tiles of keys the softmax is taken online (Milakov & Gimelshein 2018): a larger maximum rescales what has
// been summed before it.
#include <math.h>
#include <omp.h>

#include "attention_arithmetic.h"
#include "attention_passes.h"
#include "attention_rows.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// A query's softmax over the tiles so far: the largest score, unscaled, and Σ exp(scale (s − largest)).
struct Normalizer {
  float largest;
  double sum;
};

/// Scores become exp(scale (s − largest)) in place. Returns what the sums over earlier tiles are to be multiplied by.
float softmax_numerators(float* s, int64_t vectors, float scale, Normalizer* n) {
  float largest = largest_of(s, vectors);
  const bool first = n->sum == 0;
  if (!first && n->largest > largest) largest = n->largest;
  const float shift = scale * largest;
  exponentials(s, vectors, scale, shift);
  double total[1] = {0.0};
  add_row_sums(vectors, total, [=](int64_t j, DoubleVec* terms) { terms[0] = widen(s + j); });
  const float factor = first ? 1.0f : exp_float(scale * n->largest - shift);
  *n = {largest, n->sum * double(factor) + total[0]};
  return factor;
}

/// One thread's scratch.
struct Memory {
  int64_t width;
  Operand *queries, *keys, *values;
  float *lines, *out;
  Normalizer* normalizers;
  Strip strip;
  size_t bytes;

  Memory(const AttentionShape& shape, void* memory) : width(operand_width(shape)) {
    Scratch scratch(memory);
    const int64_t rows = largest_task(shape), tile = tile_keys(shape);
    queries = scratch.take<Operand>(rows * width);
    scratch.take_each(tile * width, {&keys, &values});
    lines = scratch.take<float>(kLanes * width);
    out = scratch.take<float>(rows * width);
    normalizers = scratch.take<Normalizer>(rows);
    strip = take_strip(tile, scratch);
    bytes = scratch.used();
  }
};

template <class T>
void forward(const AttentionShape& shape, const Task& task, const View<const T>& qkv, const View<T>& out, float* lse,
             const Memory& m, LaidTile* laid) {
  lay_score_rows(query_rows(shape, task, qkv), m.width, m.queries);
  for (int64_t i = 0; i < task.rows() * m.width; ++i) m.out[i] = 0.0f;
  for (int64_t r = 0; r < task.rows(); ++r) m.normalizers[r] = {0.0f, 0.0};
  for_each_tile(shape, task, [&](Range tile) {
    if (laid->changes_to(task, tile)) {
      lay_score_columns(key_rows(shape, task, tile, qkv), m.width, m.lines, m.keys);
      lay_key_rows(value_rows(shape, task, tile, qkv), m.width, m.values);
    }
    for_each_block(shape, task, tile, [&](const Block& block, int64_t first) {
      float* o = m.out + first * m.width;
      score_product(block, m.queries + first * m.width, m.keys, m.width, m.strip, false);
      for (int64_t r = 0; r < block.rows(); ++r) {
        const RowVectors row = hide(m.strip, r, block.keys(r, 1));
        if (row.count == 0) continue;
        const float factor =
            softmax_numerators(m.strip.row(r) + row.begin, row.count, shape.scale, &m.normalizers[first + r]);
        if (factor == 1.0f) continue;
        for (int64_t j = 0; j < m.width; ++j) o[r * m.width + j] *= factor;
      }
      finish_strip(block, m.strip, Uses::keys);
      add_key_product(block, m.strip, m.values, m.width, o);
    });
  });
  const View<T> o = query_rows(shape, task, out);
  float* task_lse = lse + task.head * qkv.rows + task.begin + task.queries.begin;
  for (int64_t r = 0; r < task.rows(); ++r) {
    const Normalizer& n = m.normalizers[r];
    put_row(m.out + r * m.width, float(1.0 / n.sum), o.row(r), shape.head_dim);
    task_lse[r] = float(shape.scale * n.largest + log(n.sum));
  }
}

}  // namespace

size_t attention_forward_bytes(const AttentionShape& shape) { return Memory(shape, nullptr).bytes; }

void attention_forward(const AttentionTeam& team, const AttentionShape& shape, ConstAnyMat qkv, AnyMat out,
                       float* lse) {
  with_matrix_type(qkv.type, [&](auto number) {
    using T = decltype(number);
#pragma omp parallel num_threads(team.threads)
    {
      const ProductScope scope;
      const int thread = omp_get_thread_num();
      const Memory memory(shape, team.scratch[thread]);
      LaidTile laid;
      for_each_task(shape, thread, omp_get_num_threads(), [&](const Task& task) {
        forward(shape, task, view_as<T>(qkv), view_as<T>(out), lse, memory, &laid);
      });
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
