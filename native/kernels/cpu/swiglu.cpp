// SwiGLU, act = silu(gate) ∘ up (Shazeer 2020, "GLU Variants Improve Transformer"), and its three derivatives. One pass
// over memory each; silu and its derivatives are recomputed from the gate.
#include "cpu_device.h"
#include "typed.h"
#include "vector_math.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::swiglu(ConstAnyMat gate_up_, AnyMat act_) {
  const ConstMat gate_up = f32(gate_up_);
  const Mat act = f32(act_);
  const int64_t ff = act.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t t = 0; t < act.rows; ++t) {
    const float* gate = gate_up.data + t * gate_up.stride;
    const float* up = gate + ff;
    float* out = act.data + t * act.stride;
#pragma omp simd
    for (int64_t j = 0; j < ff; ++j) out[j] = silu(gate[j]).value * up[j];
  }
}

void CpuDevice::swiglu_tangent(ConstAnyMat gate_up_, ConstAnyMat gate_up_dot_, AnyMat act_dot_) {
  const ConstMat gate_up = f32(gate_up_);
  const ConstMat gate_up_dot = f32(gate_up_dot_);
  const Mat act_dot = f32(act_dot_);
  const int64_t ff = act_dot.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t t = 0; t < act_dot.rows; ++t) {
    const float* gate = gate_up.data + t * gate_up.stride;
    const float* up = gate + ff;
    const float* gate_dot = gate_up_dot.data + t * gate_up_dot.stride;
    const float* up_dot = gate_dot + ff;
    float* out = act_dot.data + t * act_dot.stride;
#pragma omp simd
    for (int64_t j = 0; j < ff; ++j) {
      const Silu s = silu(gate[j]);
      out[j] = s.first * gate_dot[j] * up[j] + s.value * up_dot[j];
    }
  }
}

void CpuDevice::swiglu_backward(ConstAnyMat gate_up_, ConstAnyMat dact_, AnyMat dgate_up_) {
  const ConstMat gate_up = f32(gate_up_);
  const ConstMat dact = f32(dact_);
  const Mat dgate_up = f32(dgate_up_);
  const int64_t ff = dact.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t t = 0; t < dact.rows; ++t) {
    const float* gate = gate_up.data + t * gate_up.stride;
    const float* up = gate + ff;
    const float* da = dact.data + t * dact.stride;
    float* dgate = dgate_up.data + t * dgate_up.stride;
    float* dup = dgate + ff;
#pragma omp simd
    for (int64_t j = 0; j < ff; ++j) {
      const Silu s = silu(gate[j]);
      dgate[j] = da[j] * up[j] * s.first;
      dup[j] = da[j] * s.value;
    }
  }
}

void CpuDevice::swiglu_backward_tangent(ConstAnyMat gate_up_, ConstAnyMat gate_up_dot_, ConstAnyMat dact_,
                                        ConstAnyMat dact_dot_, AnyMat dgate_up_dot_) {
  const ConstMat gate_up = f32(gate_up_);
  const ConstMat gate_up_dot = f32(gate_up_dot_);
  const ConstMat dact = f32(dact_);
  const ConstMat dact_dot = f32(dact_dot_);
  const Mat dgate_up_dot = f32(dgate_up_dot_);
  const int64_t ff = dact.cols;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t t = 0; t < dact.rows; ++t) {
    const float* gate = gate_up.data + t * gate_up.stride;
    const float* up = gate + ff;
    const float* gate_dot = gate_up_dot.data + t * gate_up_dot.stride;
    const float* up_dot = gate_dot + ff;
    const float* da = dact.data + t * dact.stride;
    const float* da_dot = dact_dot.data + t * dact_dot.stride;
    float* dgate_dot = dgate_up_dot.data + t * dgate_up_dot.stride;
    float* dup_dot = dgate_dot + ff;
#pragma omp simd
    for (int64_t j = 0; j < ff; ++j) {
      const Silu s = silu(gate[j]);
      dgate_dot[j] = (da_dot[j] * up[j] + da[j] * up_dot[j]) * s.first + da[j] * up[j] * s.second * gate_dot[j];
      dup_dot[j] = da_dot[j] * s.value + da[j] * s.first * gate_dot[j];
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
