// y = x Wᵀ + b, W [out × in] or, input-major (GPT-2's Conv1D), its transpose [in × out].
#pragma once

#include <optional>

#include "../pass.h"

namespace gradfold {

class Linear {
 public:
  Linear() = default;
  Linear(const Weight& w, std::optional<Weight> bias, bool input_major)
      : w_(w), bias_(bias), input_major_(input_major) {}
  /// The tensors `role`.weight and, where there is one, `role`.bias; the weight becomes an operand of the parameters.
  Linear(const Layout& layout, ParameterMemory& parameters, const std::string& role, int64_t out, int64_t in,
         bool input_major);

  const Weight& weight() const { return w_; }
  const std::optional<Weight>& bias() const { return bias_; }

  /// y = x Wᵀ + b + beta y;  ẏ = ẋWᵀ + xẆᵀ + ḃ + beta ẏ. x in the device's precision.
  void forward(Pass& pass, const AnyDual& x, const AnyDual& y, float beta = 0) const;

  /// dx = dy W;  ḋx = ḋy W + dy Ẇ. dy in the device's precision.
  void backward(Pass& pass, const AnyDual& dy, const AnyDual& dx) const;

  /// The parameters' share: per sample G_iᵀX_i and Σ G_t with their statistics, or of the Hessian product ḋyᵀx + dyᵀẋ
  /// and Σ ḋy. The rows of x and dy are those that `ranges` divides.
  void parameter_gradient(Pass& pass, const AnyDual& dy, const AnyDual& x, const Ranges& ranges) const;

 private:
  /// y += x op(Ẇ)
  void apply_tangent(Pass& pass, const AnyMat& x, bool transpose, const AnyMat& y) const;

  Weight w_{};
  std::optional<Weight> bias_;
  bool input_major_ = false;
};

}  // namespace gradfold
