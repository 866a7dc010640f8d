// The operands of attention's products in scratch memory: heads cut out of the token matrices, widened to float32 and
// laid out as attention_product.h wants them.
#pragma once

#include "attention_product.h"
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

/// Numbers of a row of an operand: a head, padded with zeros to whole vectors.
static inline int64_t operand_width(const AttentionShape& shape) { return round_up(shape.head_dim, kLanes); }

/// Keys of the longest tile of a shape, padded to whole slivers.
static inline int64_t tile_keys(const AttentionShape& shape) {
  return round_up(least(shape.longest, kKeyTile), kSliver);
}

/// Queries of the largest task of a shape, padded to whole blocks.
static inline int64_t largest_task(const AttentionShape& shape) {
  return round_up(least(shape.longest, task_rows(shape.longest)), kQueryBlock);
}

static inline Strip take_strip(const AttentionShape& shape, Scratch& scratch) {
  // A cache line more than the keys: columns of the strip then spread over the sets of the first-level cache.
  const int64_t stride = round_up(tile_keys(shape), 16) + 16;
  return {scratch.take<float>(kQueryBlock * stride), stride};
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

/// to[r] = from[r] in float32, padded with zeros to `width`.
template <class T>
static inline void lay_rows(const View<const T>& from, int64_t width, float* to) {
  for (int64_t r = 0; r < from.rows; ++r, to += width) {
    const T* row = from.row(r);
#pragma omp simd
    for (int64_t j = 0; j < from.cols; ++j) to[j] = to_float(row[j]);
    for (int64_t j = from.cols; j < width; ++j) to[j] = 0.0f;
  }
}

/// to = from · scale[r] in the matrix's own type.
template <class T>
static inline void put_row(const float* from, float scale, T* to, int64_t count) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) to[j] = from_float<T>(scale * from[j]);
}

#if defined(__AVX512F__)
#define GRADFOLD_INTERLEAVED_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define GRADFOLD_INTERLEAVED_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX__)
#define GRADFOLD_INTERLEAVED_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define GRADFOLD_INTERLEAVED_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define GRADFOLD_INTERLEAVED_LOW 0, 4, 1, 5
#define GRADFOLD_INTERLEAVED_HIGH 2, 6, 3, 7
#endif

/// to[j · to_stride + i] = from[i · from_stride + j] for i, j < kLanes: log2 kLanes rounds, each of which interleaves
/// the first half of the rows with the second.
static inline void transpose_square(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  [[maybe_unused]] typedef int32_t Index __attribute__((vector_size(kLanes * sizeof(int32_t))));
  Vec rows[kLanes], next[kLanes];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kLanes; ++i) rows[i] = load(from + i * from_stride);
#pragma GCC unroll 4
  for (int64_t round = 1; round < kLanes; round *= 2) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < kLanes / 2; ++i) {
      const Vec a = rows[i], b = rows[i + kLanes / 2];
#ifdef __clang__
      next[2 * i] = __builtin_shufflevector(a, b, GRADFOLD_INTERLEAVED_LOW);
      next[2 * i + 1] = __builtin_shufflevector(a, b, GRADFOLD_INTERLEAVED_HIGH);
#else
      next[2 * i] = __builtin_shuffle(a, b, Index{GRADFOLD_INTERLEAVED_LOW});
      next[2 * i + 1] = __builtin_shuffle(a, b, Index{GRADFOLD_INTERLEAVED_HIGH});
#endif
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
#pragma GCC unroll 16
  for (int64_t i = 0; i < kLanes; ++i) store(to + i * to_stride, rows[i]);
}

/// Slivers of the transpose of `from`: to[s · kSliver · width + j · kSliver + i] = from(s · kSliver + i, j) in float32,
/// zero beyond its rows up to a whole vector and beyond its columns; what is left of the last sliver stays undefined.
/// lines: kLanes · width numbers of scratch.
template <class T>
static inline void lay_slivers(const View<const T>& from, int64_t width, float* lines, float* to) {
  for (int64_t first = 0; first < from.rows; first += kLanes) {
    const int64_t count = least(kLanes, from.rows - first);
    lay_rows(part(from, first, count, 0, from.cols), width, lines);
    for (int64_t i = count * width; i < kLanes * width; ++i) lines[i] = 0.0f;
    float* column = to + first / kSliver * kSliver * width + first % kSliver;
    for (int64_t j = 0; j < width; j += kLanes) transpose_square(lines + j, width, column + j * kSliver, kSliver);
  }
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
