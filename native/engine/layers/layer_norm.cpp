#include "../sample_gradient.h"
#include "norm.h"

namespace gradfold {

namespace {

class LayerNorm final : public Norm {
 public:
  LayerNorm(const Weight& wb, double eps) : wb_(wb), eps_(eps) {}

  Saved take_saved(Pass& pass, int64_t rows) const override {
    const auto tangent = [&] { return pass.dual() ? pass.arena.take<float>(rows) : nullptr; };
    Arena& values = *pass.activations.arena;
    return {values.take<float>(rows), values.take<float>(rows), tangent(), tangent()};
  }

  void forward(Pass& pass, const Dual& x, const AnyDual& y, const Saved& saved) const override {
    if (!y.known) pass.device.layer_norm(x.value, pass.value_of(wb_), eps_, y.value, saved.mean, saved.rstd);
    if (!pass.dual()) return;
    pass.device.layer_norm_tangent(x.value, x.tangent, pass.value_of(wb_), pass.tangent_of(wb_), saved.mean, saved.rstd,
                                   y.tangent, saved.mean_tangent, saved.rstd_tangent);
  }

  void backward(Pass& pass, const AnyDual& dy, const Dual& x, const Saved& saved, const Ranges& ranges,
                const Dual& dx) const override {
    Arena::Scope scope(pass.arena);
    const Mat rows = pass.arena.matrix(ranges.samples(), wb_.cols);
    if (pass.dual()) {
      pass.device.layer_norm_backward_tangent(dy.value, dy.tangent, x.value, x.tangent, pass.value_of(wb_),
                                              pass.tangent_of(wb_), saved.mean, saved.rstd, saved.mean_tangent,
                                              saved.rstd_tangent, dx.tangent, pass.gradient + wb_.offset);
    }
    pass.device.layer_norm_backward(dy.value, x.value, pass.value_of(wb_), saved.mean, saved.rstd, rows.rows,
                                    ranges.begin_on_device, dx.value, rows);
    if (!pass.dual()) add_sample_rows(pass, wb_, rows);
  }

 private:
  Weight wb_;
  double eps_;
};

}  // namespace

std::unique_ptr<Norm> make_layer_norm(const Weight& wb, double eps) { return std::make_unique<LayerNorm>(wb, eps); }

}  // namespace gradfold
