// GELU, y = x Φ(x) or its approximation by tanh (Hendrycks & Gimpel 2016), and its three derivatives. One pass over
// memory each; the function and its derivatives are recomputed from x, in float32 whatever the type.
#include "cpu_device.h"
#include "typed.h"
#include "vector_math.h"

namespace gradfold::GRADFOLD_ISA {

/// Calls body(number, function) with a number of the type and the form's function of x.
template <class Body>
static inline void with_gelu(Gelu form, Type type, Body body) {
  with_type(type, [&](auto number) {
    if (form == Gelu::erf)
      body(number, [](float x) { return gelu_erf(x); });
    else
      body(number, [](float x) { return gelu_tanh(x); });
  });
}

void CpuDevice::gelu(Gelu form, ConstAnyMat x, AnyMat y) {
  with_gelu(form, y.type, [&](auto number, auto function) {
    using T = decltype(number);
    const View<const T> xs = view_as<T>(x);
    const View<T> ys = view_as<T>(y);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < ys.rows; ++t) {
      const T* in = xs.row(t);
      T* out = ys.row(t);
#pragma omp simd
      for (int64_t j = 0; j < ys.cols; ++j) out[j] = from_float<T>(function(to_float(in[j])).value);
    }
  });
}

void CpuDevice::gelu_tangent(Gelu form, ConstAnyMat x, ConstAnyMat x_dot, AnyMat y_dot) {
  gelu_backward(form, x, x_dot, y_dot);  // ẏ = gelu'(x) ẋ: the Jacobian is diagonal
}

void CpuDevice::gelu_backward(Gelu form, ConstAnyMat x, ConstAnyMat dy, AnyMat dx) {
  with_gelu(form, dx.type, [&](auto number, auto function) {
    using T = decltype(number);
    const View<const T> xs = view_as<T>(x), dys = view_as<T>(dy);
    const View<T> dxs = view_as<T>(dx);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < dxs.rows; ++t) {
      const T *in = xs.row(t), *out = dys.row(t);
      T* din = dxs.row(t);
#pragma omp simd
      for (int64_t j = 0; j < dxs.cols; ++j) din[j] = from_float<T>(function(to_float(in[j])).first * to_float(out[j]));
    }
  });
}

// ḋx = gelu'(x) dẏ + gelu''(x) ẋ dy
void CpuDevice::gelu_backward_tangent(Gelu form, ConstAnyMat x, ConstAnyMat x_dot, ConstAnyMat dy, ConstAnyMat dy_dot,
                                      AnyMat dx_dot) {
  with_gelu(form, dx_dot.type, [&](auto number, auto function) {
    using T = decltype(number);
    const View<const T> xs = view_as<T>(x), xs_dot = view_as<T>(x_dot);
    const View<const T> dys = view_as<T>(dy), dys_dot = view_as<T>(dy_dot);
    const View<T> dxs_dot = view_as<T>(dx_dot);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < dxs_dot.rows; ++t) {
      const T *in = xs.row(t), *in_dot = xs_dot.row(t), *out = dys.row(t), *out_dot = dys_dot.row(t);
      T* din_dot = dxs_dot.row(t);
#pragma omp simd
      for (int64_t j = 0; j < dxs_dot.cols; ++j) {
        const Activation a = function(to_float(in[j]));
        din_dot[j] = from_float<T>(a.first * to_float(out_dot[j]) + a.second * to_float(in_dot[j]) * to_float(out[j]));
      }
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
