#include "activation.h"

namespace gradfold {

namespace {

class GeluActivation final : public Activation {
 public:
  explicit GeluActivation(Gelu form) : form_(form) {}
  int64_t input_width(int64_t ff) const override { return ff; }

  void forward(Pass& pass, const AnyDual& x, const AnyDual& y) const override {
    pass.device.gelu(form_, x.value, y.value);
    if (pass.dual()) pass.device.gelu_tangent(form_, x.value, x.tangent, y.tangent);
  }

  void backward(Pass& pass, const AnyDual& x, const AnyDual& dy, const AnyDual& dx) const override {
    pass.device.gelu_backward(form_, x.value, dy.value, dx.value);
    if (pass.dual()) pass.device.gelu_backward_tangent(form_, x.value, x.tangent, dy.value, dy.tangent, dx.tangent);
  }

 private:
  Gelu form_;
};

}  // namespace

std::unique_ptr<Activation> make_gelu(Gelu form) { return std::make_unique<GeluActivation>(form); }

}  // namespace gradfold
