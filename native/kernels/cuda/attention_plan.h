// The host side that the attention passes share: the shape as kernels take it, and the tiles of each pass.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "attention_desk.cuh"
#include "launch.h"
#include "limits.h"
#include "types.h"

namespace gradfold::cuda {

/// Warps of a block and columns of a tile of each pass, by the bytes of a row in shared memory: as many as
/// kMostShared and the registers of a thread leave room for.
struct PassTiles {
  int warps, cols;
};

template <int kRowBytes>
struct AttentionTiles;

template <>
struct AttentionTiles<144> {  // bfloat16, 64 numbers
  static constexpr PassTiles kForward{4, 64}, kBackward{4, 64}, kTangent{4, 32}, kDual{4, 32};
};
template <>
struct AttentionTiles<272> {  // bfloat16, 128 numbers; float32, 64
  static constexpr PassTiles kForward{4, 64}, kBackward{4, 32}, kTangent{4, 32}, kDual{4, 16};
};
template <>
struct AttentionTiles<528> {  // float32, 128 numbers
  static constexpr PassTiles kForward{4, 32}, kBackward{4, 32}, kTangent{2, 32}, kDual{2, 16};
};

template <class T, int kWidth>
using TilesOf = AttentionTiles<(kWidth + kRowPad<T>)*int(sizeof(T))>;

template <class T>
Rows<T> rows_of(const AnyMat& m) {
  return {static_cast<T*>(m.data), m.stride};
}
template <class T>
Rows<const T> rows_of(const ConstAnyMat& m) {
  return {static_cast<const T*>(m.data), m.stride};
}

/// Whether all heads of all matrices begin at multiples of `bytes`.
inline bool heads_aligned(const AttentionShape& shape, std::initializer_list<ConstAnyMat> matrices, int64_t bytes) {
  for (const ConstAnyMat& m : matrices) {
    const int64_t size = size_of(m.type);
    if (reinterpret_cast<uintptr_t>(m.data) % uintptr_t(bytes) != 0 || m.stride * size % bytes != 0 ||
        shape.head_dim * size % bytes != 0)
      return false;
  }
  return true;
}

inline AttentionPlan plan_of(const AttentionShape& shape, std::initializer_list<ConstAnyMat> inputs,
                             std::initializer_list<ConstAnyMat> outputs) {
  const ConstAnyMat& first = *inputs.begin();
  return {shape.begin,
          int(shape.segments),
          int(shape.heads),
          int(shape.kv_heads),
          int(shape.head_dim),
          shape.scale,
          shape.causal,
          shape.window < shape.longest ? int(shape.window) : 0,  // one that hides nothing is none
          first.rows,
          heads_aligned(shape, inputs, 16),
          heads_aligned(shape, outputs, 2 * size_of(first.type))};
}

/// Calls body(T{}, a constant of the numbers of a head that a tile holds) for a plan of type `type`.
template <class Body>
void with_head(Type type, int head_dim, Body body) {
  with_type(type, [&](auto number) {
    if (head_dim <= 64)
      body(number, std::integral_constant<int, 64>{});
    else
      body(number, std::integral_constant<int, 128>{});
  });
}

/// Calls body(plan, its key heads) for as many key heads at a time as keep `numbers` float32 numbers of each of their
/// queries within limits.attention_sums, or for one.
template <class Body>
void for_key_heads(AttentionPlan plan, int64_t numbers, Body body) {
  const int64_t bytes = most(1, numbers * plan.group() * plan.tokens * int64_t{sizeof(float)});
  const int64_t together = most(1, limits.attention_sums / bytes);
  for (int64_t first = 0; first < plan.kv_heads; first += together) {
    plan.first_kv_head = int(first);
    body(plan, least(together, plan.kv_heads - first));
  }
}

/// Blocks that own rows of all segments, for each head, and for each chunk of kWidth numbers of it.
template <class D>
Extent attention_grid(const AttentionPlan& plan, int64_t heads) {
  return Extent(plan.tokens == 0 ? 0 : attention_blocks(plan, D::kRows), heads, ceil_div(plan.head_dim, D::kWidth));
}

}  // namespace gradfold::cuda
