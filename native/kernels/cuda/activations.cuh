// SwiGLU and GELU and their derivatives (formulas: cpu/swiglu.cpp, cpu/gelu.cpp), each one pass over memory.
#pragma once

#include "elementwise.cuh"
#include "vector_math.cuh"

namespace gradfold::cuda {

// ---- SwiGLU: act = silu(gate) ∘ up ----------------------------------------------------------------------------------
// gate and up are the halves of a row of gate_up; column c of the output is column c of both.

template <class T>
struct SwigluOp {
  View<const T> gate_up;
  View<T> act;

  template <int W>
  __device__ void apply(int64_t t, int64_t c) const {
    const T* gate = gate_up.row(t) + c;
    float gates[W], ups[W];
    load_pack<W>(gate, gates);
    load_pack<W>(gate + act.cols, ups);
#pragma unroll
    for (int i = 0; i < W; ++i) ups[i] *= silu(gates[i]).value;
    store_pack<W>(act.row(t) + c, ups);
  }
};

template <class T>
struct SwigluTangentOp {
  View<const T> gate_up, gate_up_dot;
  View<T> act_dot;

  template <int W>
  __device__ void apply(int64_t t, int64_t c) const {
    const int64_t ff = act_dot.cols;
    const T *gate = gate_up.row(t) + c, *gate_dot = gate_up_dot.row(t) + c;
    float gates[W], ups[W], gate_dots[W], up_dots[W];
    load_pack<W>(gate, gates);
    load_pack<W>(gate + ff, ups);
    load_pack<W>(gate_dot, gate_dots);
    load_pack<W>(gate_dot + ff, up_dots);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const Activation s = silu(gates[i]);
      up_dots[i] = s.first * gate_dots[i] * ups[i] + s.value * up_dots[i];
    }
    store_pack<W>(act_dot.row(t) + c, up_dots);
  }
};

template <class T>
struct SwigluBackwardOp {
  View<const T> gate_up, dact;
  View<T> dgate_up;

  template <int W>
  __device__ void apply(int64_t t, int64_t c) const {
    const int64_t ff = dact.cols;
    const T* gate = gate_up.row(t) + c;
    T* dgate = dgate_up.row(t) + c;
    float gates[W], ups[W], as[W];
    load_pack<W>(gate, gates);
    load_pack<W>(gate + ff, ups);
    load_pack<W>(dact.row(t) + c, as);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const Activation s = silu(gates[i]);
      gates[i] = as[i] * ups[i] * s.first;
      ups[i] = as[i] * s.value;
    }
    store_pack<W>(dgate, gates);
    store_pack<W>(dgate + ff, ups);
  }
};

template <class T>
struct SwigluBackwardTangentOp {
  View<const T> gate_up, gate_up_dot, dact, dact_dot;
  View<T> dgate_up_dot;

  template <int W>
  __device__ void apply(int64_t t, int64_t c) const {
    const int64_t ff = dact.cols;
    const T *gate = gate_up.row(t) + c, *gate_dot = gate_up_dot.row(t) + c;
    T* dgate_dot = dgate_up_dot.row(t) + c;
    float gates[W], ups[W], gate_dots[W], up_dots[W], as[W], a_dots[W];
    load_pack<W>(gate, gates);
    load_pack<W>(gate + ff, ups);
    load_pack<W>(gate_dot, gate_dots);
    load_pack<W>(gate_dot + ff, up_dots);
    load_pack<W>(dact.row(t) + c, as);
    load_pack<W>(dact_dot.row(t) + c, a_dots);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const Activation s = silu(gates[i]);
      const float a = as[i], a_dot = a_dots[i], u = ups[i], g_dot = gate_dots[i];
      gates[i] = (a_dot * u + a * up_dots[i]) * s.first + a * u * s.second * g_dot;
      ups[i] = a_dot * s.value + a * s.first * g_dot;
    }
    store_pack<W>(dgate_dot, gates);
    store_pack<W>(dgate_dot + ff, ups);
  }
};

// ---- GELU -----------------------------------------------------------------------------------------------------------

template <Gelu kForm>
__device__ __forceinline__ Activation gelu_of(float x) {
  return kForm == Gelu::erf ? gelu_erf(x) : gelu_tanh(x);
}

template <class T, Gelu kForm>
struct GeluOp {
  View<const T> x;
  View<T> y;

  template <int W>
  __device__ void apply(int64_t t, int64_t c) const {
    float values[W];
    load_pack<W>(x.row(t) + c, values);
#pragma unroll
    for (int i = 0; i < W; ++i) values[i] = gelu_of<kForm>(values[i]).value;
    store_pack<W>(y.row(t) + c, values);
  }
};

/// out = gelu'(x) by: the backward pass for by = dy, the tangent for by = ẋ
template <class T, Gelu kForm>
struct GeluFirstOp {
  View<const T> x, by;
  View<T> out;

  template <int W>
  __device__ void apply(int64_t t, int64_t c) const {
    float values[W], bys[W];
    load_pack<W>(x.row(t) + c, values);
    load_pack<W>(by.row(t) + c, bys);
#pragma unroll
    for (int i = 0; i < W; ++i) bys[i] *= gelu_of<kForm>(values[i]).first;
    store_pack<W>(out.row(t) + c, bys);
  }
};

// ḋx = gelu'(x) dẏ + gelu''(x) ẋ dy
template <class T, Gelu kForm>
struct GeluSecondOp {
  View<const T> x, x_dot, dy, dy_dot;
  View<T> dx_dot;

  template <int W>
  __device__ void apply(int64_t t, int64_t c) const {
    float values[W], dots[W], os[W], o_dots[W];
    load_pack<W>(x.row(t) + c, values);
    load_pack<W>(x_dot.row(t) + c, dots);
    load_pack<W>(dy.row(t) + c, os);
    load_pack<W>(dy_dot.row(t) + c, o_dots);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const Activation a = gelu_of<kForm>(values[i]);
      o_dots[i] = a.first * o_dots[i] + a.second * dots[i] * os[i];
    }
    store_pack<W>(dx_dot.row(t) + c, o_dots);
  }
};

}  // namespace gradfold::cuda
