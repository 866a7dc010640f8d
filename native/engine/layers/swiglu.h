// act = silu(gate) ∘ up (Shazeer 2020), gate and up side by side.
#pragma once

#include "../pass.h"

namespace gradfold {

struct SwiGlu {
  static void forward(Pass& pass, const Dual& gate_up, const Dual& act) {
    pass.device.swiglu(gate_up.value, act.value);
    if (pass.dual()) pass.device.swiglu_tangent(gate_up.value, gate_up.tangent, act.tangent);
  }

  static void backward(Pass& pass, const Dual& gate_up, const Dual& dact, const Dual& dgate_up) {
    pass.device.swiglu_backward(gate_up.value, dact.value, dgate_up.value);
    if (!pass.dual()) return;
    pass.device.swiglu_backward_tangent(gate_up.value, gate_up.tangent, dact.value, dact.tangent, dgate_up.tangent);
  }
};

}  // namespace gradfold
