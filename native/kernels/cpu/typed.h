// Kernels over float32 or bfloat16 matrices: one template, compiled for both, chosen by the type at run time.
#pragma once

#include "../kernels.h"

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif

namespace gradfold::GRADFOLD_ISA {

static inline float to_float(float x) { return x; }

static inline float to_float(Bf16 x) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

/// The nearest number of type T, ties to even; NaN stays NaN.
template <class T>
static inline T from_float(float x);

template <>
inline float from_float<float>(float x) {
  return x;
}

template <>
inline Bf16 from_float<Bf16>(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = 0x7fc0u & -uint32_t((bits & 0x7fffffffu) > 0x7f800000u);  // no branch: loops vectorise better
  return {uint16_t(rounded | nan)};
}

template <class T>
inline constexpr Type type_of = Type::f32;
template <>
inline constexpr Type type_of<Bf16> = Type::bf16;

/// A row-major view of numbers of one type known to the compiler.
template <class T>
struct View {
  T* data;
  int64_t rows, cols, stride;

  T* row(int64_t r) const { return data + r * stride; }
  T& at(int64_t r, int64_t c) const { return data[r * stride + c]; }
};

template <class T>
static inline View<T> view_as(const AnyMat& m) {
  return {static_cast<T*>(m.data), m.rows, m.cols, m.stride};
}

template <class T>
static inline View<const T> view_as(const ConstAnyMat& m) {
  return {static_cast<const T*>(m.data), m.rows, m.cols, m.stride};
}

/// A float32 matrix as such.
static inline Mat f32(const AnyMat& m) { return {static_cast<float*>(m.data), m.rows, m.cols, m.stride}; }
static inline ConstMat f32(const ConstAnyMat& m) {
  return {static_cast<const float*>(m.data), m.rows, m.cols, m.stride};
}

/// Calls body(float{}) or body(Bf16{}): `with_type(m.type, [&](auto number) { using T = decltype(number); … })`.
template <class Body>
static inline void with_type(Type type, Body body) {
  if (type == Type::f32)
    body(float{});
  else
    body(Bf16{});
}

}  // namespace gradfold::GRADFOLD_ISA
