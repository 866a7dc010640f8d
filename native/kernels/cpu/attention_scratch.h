// Attention's scratch memory, and the heads that are cut out of the token matrices.
#pragma once

#include "attention.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

/// Hands out pieces of a thread's scratch memory, each on a cache line; without memory it only measures.
class Scratch {
 public:
  explicit Scratch(void* memory) : memory_(static_cast<char*>(memory)) {}

  template <class T>
  T* take(int64_t count) {
    const size_t at = used_;
    used_ += size_t(round_up(count * int64_t(sizeof(T)), 64));
    return memory_ ? reinterpret_cast<T*>(memory_ + at) : nullptr;
  }
  template <class T, size_t kPieces>
  void take_each(int64_t count, T** const (&pieces)[kPieces]) {
    for (T** piece : pieces) *piece = take<T>(count);
  }
  size_t used() const { return used_; }

 private:
  char* memory_;
  size_t used_ = 0;
};

/// Queries of the largest task of a shape, padded to whole blocks.
static inline int64_t largest_task(const AttentionShape& shape) {
  return round_up(least(shape.longest, task_rows(shape.longest)), kQueryBlock);
}

/// Rows [row, row + rows) and columns [column, column + columns) of a matrix.
template <class T>
static inline View<T> part(const View<T>& m, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  return {m.data + row * m.stride + column, rows, columns, m.stride};
}

/// A task's rows of its head, of x that holds query heads from its first column on.
template <class T>
static inline View<T> query_rows(const AttentionShape& shape, const Task& task, const View<T>& x) {
  return part(x, task.begin + task.queries.begin, task.rows(), task.head * shape.head_dim, shape.head_dim);
}

static inline int64_t key_column(const AttentionShape& shape, int64_t kv_head) {
  return (shape.heads + kv_head) * shape.head_dim;
}

static inline int64_t value_column(const AttentionShape& shape, int64_t kv_head) {
  return (shape.heads + shape.kv_heads + kv_head) * shape.head_dim;
}

/// The keys, or the values, of a tile, of x laid out as qkv.
template <class T>
static inline View<T> key_rows(const AttentionShape& shape, const Task& task, Range tile, const View<T>& x) {
  return part(x, task.begin + tile.begin, tile.size(), key_column(shape, task.kv_head), shape.head_dim);
}
template <class T>
static inline View<T> value_rows(const AttentionShape& shape, const Task& task, Range tile, const View<T>& x) {
  return part(x, task.begin + tile.begin, tile.size(), value_column(shape, task.kv_head), shape.head_dim);
}

/// to = from · scale[r] in the matrix's own type.
template <class T>
static inline void put_row(const float* from, float scale, T* to, int64_t count) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) to[j] = from_float<T>(scale * from[j]);
}

/// Whether a tile that has been laid out can be used again.
class LaidTile {
 public:
  /// Remembers the tile; true where it is another one than before.
  bool changes_to(const Task& task, Range tile) {
    const bool same =
        task.segment == segment_ && task.kv_head == kv_head_ && tile.begin == tile_.begin && tile.end == tile_.end;
    segment_ = task.segment;
    kv_head_ = task.kv_head;
    tile_ = tile;
    return !same;
  }

 private:
  int64_t segment_ = -1, kv_head_ = -1;
  Range tile_{0, 0};
};

}  // namespace gradfold::GRADFOLD_ISA
