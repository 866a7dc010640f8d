// SwiGLU, act = silu(gate) ∘ up (Shazeer 2020, "GLU Variants Improve Transformer"), and its three derivatives. One pass
// over memory each; silu and its derivatives are recomputed from the gate, in float32 whatever the type.
#include "cpu_device.h"
#include "typed.h"
#include "vector_math.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::swiglu(ConstAnyMat gate_up, AnyMat act) {
  with_type(act.type, [&](auto number) {
    using T = decltype(number);
    const View<const T> gate_ups = view_as<T>(gate_up);
    const View<T> acts = view_as<T>(act);
    const int64_t ff = acts.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < acts.rows; ++t) {
      const T *gate = gate_ups.row(t), *up = gate + ff;
      T *out = acts.row(t);
#pragma omp simd
      for (int64_t j = 0; j < ff; ++j) out[j] = from_float<T>(silu(to_float(gate[j])).value * to_float(up[j]));
    }
  });
}

void CpuDevice::swiglu_tangent(ConstAnyMat gate_up, ConstAnyMat gate_up_dot, AnyMat act_dot) {
  with_type(act_dot.type, [&](auto number) {
    using T = decltype(number);
    const View<const T> gate_ups = view_as<T>(gate_up), gate_ups_dot = view_as<T>(gate_up_dot);
    const View<T> acts_dot = view_as<T>(act_dot);
    const int64_t ff = acts_dot.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < acts_dot.rows; ++t) {
      const T *gate = gate_ups.row(t), *up = gate + ff;
      const T *gate_dot = gate_ups_dot.row(t), *up_dot = gate_dot + ff;
      T *out_dot = acts_dot.row(t);
#pragma omp simd
      for (int64_t j = 0; j < ff; ++j) {
        const Activation s = silu(to_float(gate[j]));
        out_dot[j] = from_float<T>(s.first * to_float(gate_dot[j]) * to_float(up[j]) + s.value * to_float(up_dot[j]));
      }
    }
  });
}

void CpuDevice::swiglu_backward(ConstAnyMat gate_up, ConstAnyMat dact, AnyMat dgate_up) {
  with_type(dgate_up.type, [&](auto number) {
    using T = decltype(number);
    const View<const T> gate_ups = view_as<T>(gate_up), dacts = view_as<T>(dact);
    const View<T> dgate_ups = view_as<T>(dgate_up);
    const int64_t ff = dacts.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < dacts.rows; ++t) {
      const T *gate = gate_ups.row(t), *up = gate + ff, *da = dacts.row(t);
      T *dgate = dgate_ups.row(t), *dup = dgate + ff;
#pragma omp simd
      for (int64_t j = 0; j < ff; ++j) {
        const Activation s = silu(to_float(gate[j]));
        const float a = to_float(da[j]), u = to_float(up[j]);
        dgate[j] = from_float<T>(a * u * s.first);
        dup[j] = from_float<T>(a * s.value);
      }
    }
  });
}

void CpuDevice::swiglu_backward_tangent(ConstAnyMat gate_up, ConstAnyMat gate_up_dot, ConstAnyMat dact,
                                        ConstAnyMat dact_dot, AnyMat dgate_up_dot) {
  with_type(dgate_up_dot.type, [&](auto number) {
    using T = decltype(number);
    const View<const T> gate_ups = view_as<T>(gate_up), gate_ups_dot = view_as<T>(gate_up_dot);
    const View<const T> dacts = view_as<T>(dact), dacts_dot = view_as<T>(dact_dot);
    const View<T> dgate_ups_dot = view_as<T>(dgate_up_dot);
    const int64_t ff = dacts.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < dacts.rows; ++t) {
      const T *gate = gate_ups.row(t), *up = gate + ff;
      const T *gate_dot = gate_ups_dot.row(t), *up_dot = gate_dot + ff;
      const T *da = dacts.row(t), *da_dot = dacts_dot.row(t);
      T *dgate_dot = dgate_ups_dot.row(t), *dup_dot = dgate_dot + ff;
#pragma omp simd
      for (int64_t j = 0; j < ff; ++j) {
        const Activation s = silu(to_float(gate[j]));
        const float u = to_float(up[j]), g_dot = to_float(gate_dot[j]), a = to_float(da[j]),
                    a_dot = to_float(da_dot[j]);
        dgate_dot[j] = from_float<T>((a_dot * u + a * to_float(up_dot[j])) * s.first + a * u * s.second * g_dot);
        dup_dot[j] = from_float<T>(a_dot * s.value + a * s.first * g_dot);
      }
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
