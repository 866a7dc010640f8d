// For the host side of a family: one template, compiled for both number types, chosen by the type at run time.
#pragma once

#include "cuda_kernel.h"

namespace gradfold::cuda {

template <class T>
inline constexpr Type type_of = Type::f32;
template <>
inline constexpr Type type_of<Bf16> = Type::bf16;

template <class T>
View<T> view_as(const AnyMat& m) {
  return {static_cast<T*>(m.data), m.rows, m.cols, m.stride};
}
template <class T>
View<const T> view_as(const ConstAnyMat& m) {
  return {static_cast<const T*>(m.data), m.rows, m.cols, m.stride};
}
inline View<float> view_of(const Mat& m) { return {m.data, m.rows, m.cols, m.stride}; }
inline View<const float> view_of(const ConstMat& m) { return {m.data, m.rows, m.cols, m.stride}; }

/// Calls body(float{}) or body(Bf16{}): `with_type(m.type, [&](auto number) { using T = decltype(number); … })`.
template <class Body>
void with_type(Type type, Body body) {
  if (type == Type::f32)
    body(float{});
  else
    body(Bf16{});
}

}  // namespace gradfold::cuda
