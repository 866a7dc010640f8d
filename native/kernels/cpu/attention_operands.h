// The float32 operands of attention's products in scratch memory: heads widened and laid out as attention_product.h
// wants them. tile_attention.h has the same functions for its own products.
#pragma once

#include "attention_product.h"

namespace gradfold::GRADFOLD_ISA {

using Operand = float;

/// Calls body with a number of the matrices' type.
template <class Body>
static inline void with_matrix_type(Type type, Body body) {
  with_type(type, body);
}

/// Numbers of a row of an operand: a head, padded with zeros to whole vectors.
static inline int64_t operand_width(const AttentionShape& shape) { return round_up(shape.head_dim, kLanes); }

/// Keys of the longest tile of a shape, padded to whole slivers.
static inline int64_t tile_keys(const AttentionShape& shape) {
  return round_up(least(shape.longest, kKeyTile), kSliver);
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

// What the passes lay out, by the side of the product that it is for.

/// The left operand of score_product: a row a query.
template <class T>
static inline void lay_score_rows(const View<const T>& from, int64_t width, Operand* to) {
  lay_rows(from, width, to);
}

/// The right operand of score_product: a tile of keys or values. lines: kLanes · width numbers of scratch.
template <class T>
static inline void lay_score_columns(const View<const T>& from, int64_t width, float* lines, Operand* to) {
  lay_slivers(from, width, lines, to);
}

/// The right operand of add_key_product: a row a key.
template <class T>
static inline void lay_key_rows(const View<const T>& from, int64_t width, Operand* to) {
  lay_rows(from, width, to);
}

/// The right operand of add_query_product: a row a query, the score rows themselves.
static inline Operand* take_query_rows(int64_t /*count*/, Operand* score_rows, Scratch&) { return score_rows; }
template <class T>
static inline void lay_query_rows(const View<const T>&, int64_t /*width*/, Operand*) {}

// Sums over queries: a row of `width` numbers a key.

/// Keys that sums hold together: a group is as many rows of sums, one after another in memory.
static constexpr int64_t kSumKeys = 1;
/// Keys beyond a segment's that add_query_product touches.
static constexpr int64_t kSumMargin = kTileRows - 1;

/// The rows of a group of sums. lines: kLanes · width numbers of scratch.
static inline const float* sum_rows(const float* group, int64_t /*width*/, float* /*lines*/) { return group; }

}  // namespace gradfold::GRADFOLD_ISA
