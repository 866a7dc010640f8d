#include "activation.h"

namespace gradfold {

namespace {

class SwiGlu final : public Activation {
 public:
  int64_t input_width(int64_t ff) const override { return 2 * ff; }

  void forward(Pass& pass, const AnyDual& gate_up, const AnyDual& act) const override {
    pass.device.swiglu(gate_up.value, act.value);
    if (pass.dual()) pass.device.swiglu_tangent(gate_up.value, gate_up.tangent, act.tangent);
  }

  void backward(Pass& pass, const AnyDual& gate_up, const AnyDual& dact, const AnyDual& dgate_up) const override {
    pass.device.swiglu_backward(gate_up.value, dact.value, dgate_up.value);
    if (!pass.dual()) return;
    pass.device.swiglu_backward_tangent(gate_up.value, gate_up.tangent, dact.value, dact.tangent, dgate_up.tangent);
  }
};

}  // namespace

std::unique_ptr<Activation> make_swiglu() { return std::make_unique<SwiGlu>(); }

}  // namespace gradfold
