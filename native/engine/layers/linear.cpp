#include "linear.h"

#include "../sample_gradient.h"

namespace gradfold {

Linear::Linear(const Layout& layout, ParameterMemory& parameters, const std::string& role, int64_t out, int64_t in,
               bool input_major)
    : w_(layout.matrix(role + ".weight", input_major ? in : out, input_major ? out : in)), input_major_(input_major) {
  if (layout.has(role + ".bias")) bias_ = layout.vector(role + ".bias", out);
  parameters.add_operand(w_);
}

void Linear::apply_tangent(Pass& pass, const AnyMat& x, bool transpose, const AnyMat& y) const {
  Arena::Scope scope(pass.arena);
  const size_t bytes = pass.device.prepared_bytes(w_.rows, w_.cols);
  void* prepared = bytes > 0 ? pass.arena.take<char>(static_cast<int64_t>(bytes)) : nullptr;
  if (bytes > 0) pass.device.prepare_weight(pass.tangent_matrix(w_), prepared);
  pass.device.apply_weight(x, {pass.tangent_matrix(w_), prepared}, transpose, y, 1);
}

void Linear::forward(Pass& pass, const AnyDual& x, const AnyDual& y, float beta) const {
  Device& device = pass.device;
  const WeightOperand w = pass.parameters.operand(w_);
  if (!y.known) {
    device.apply_weight(x.value, w, !input_major_, y.value, beta);
    if (bias_) device.add_bias(pass.value_of(*bias_), y.value);
  }
  if (!pass.dual()) return;
  device.apply_weight(x.tangent, w, !input_major_, y.tangent, beta);
  apply_tangent(pass, x.value, !input_major_, y.tangent);
  if (bias_) device.add_bias(pass.tangent_of(*bias_), y.tangent);
}

void Linear::backward(Pass& pass, const AnyDual& dy, const AnyDual& dx) const {
  Device& device = pass.device;
  const WeightOperand w = pass.parameters.operand(w_);
  if (!dx.known) device.apply_weight(dy.value, w, input_major_, dx.value, 0);
  if (!pass.dual()) return;
  device.apply_weight(dy.tangent, w, input_major_, dx.tangent, 0);
  apply_tangent(pass, dy.value, input_major_, dx.tangent);
}

void Linear::parameter_gradient(Pass& pass, const AnyDual& dy, const AnyDual& x, const Ranges& ranges) const {
  const AnyDual &left = input_major_ ? x : dy, &right = input_major_ ? dy : x;
  if (pass.dual()) {
    const Mat share{pass.gradient + w_.offset, w_.rows, w_.cols, w_.cols};
    pass.device.matmul(left.tangent, true, right.value, false, share, 1);
    pass.device.matmul(left.value, true, right.tangent, false, share, 1);
  } else {
    add_sample_products(pass, w_, left.value, right.value, ranges);
  }
  if (!bias_) return;
  Arena::Scope scope(pass.arena);
  const Mat sums = pass.arena.matrix(ranges.samples(), bias_->cols);
  pass.device.sum_rows(pass.dual() ? dy.tangent : dy.value, sums.rows, ranges.begin_on_device, sums);
  if (pass.dual()) {
    pass.device.axpy(pass.gradient + bias_->offset, 1, sums.data, bias_->cols);
  } else {
    add_sample_rows(pass, *bias_, sums);
  }
}

}  // namespace gradfold
