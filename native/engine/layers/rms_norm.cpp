#include "../sample_gradient.h"
#include "norm.h"

namespace gradfold {

namespace {

class RmsNorm final : public Norm {
 public:
  RmsNorm(const Weight& w, double eps) : w_(w), eps_(eps) {}

  Saved take_saved(Pass& pass, int64_t rows) const override {
    return {nullptr, pass.activations.arena->take<float>(rows), nullptr,
            pass.dual() ? pass.arena.take<float>(rows) : nullptr};
  }

  void forward(Pass& pass, const Dual& x, const AnyDual& y, const Saved& saved) const override {
    if (!y.known) pass.device.rms_norm(x.value, pass.value_of(w_), eps_, y.value, saved.rstd);
    if (!pass.dual()) return;
    pass.device.rms_norm_tangent(x.value, x.tangent, pass.value_of(w_), pass.tangent_of(w_), saved.rstd, y.tangent,
                                 saved.rstd_tangent);
  }

  void backward(Pass& pass, const AnyDual& dy, const Dual& x, const Saved& saved, const Ranges& ranges,
                const Dual& dx) const override {
    Arena::Scope scope(pass.arena);
    const Mat rows = pass.arena.matrix(ranges.samples(), w_.cols);
    if (pass.dual()) {
      pass.device.rms_norm_backward_tangent(dy.value, dy.tangent, x.value, x.tangent, pass.value_of(w_),
                                            pass.tangent_of(w_), saved.rstd, saved.rstd_tangent, dx.tangent,
                                            pass.gradient + w_.offset);
    }
    pass.device.rms_norm_backward(dy.value, x.value, pass.value_of(w_), saved.rstd, rows.rows, ranges.begin_on_device,
                                  dx.value, rows);
    if (!pass.dual()) add_sample_rows(pass, w_, rows);
  }

 private:
  Weight w_;
  double eps_;
};

}  // namespace

std::unique_ptr<Norm> make_rms_norm(const Weight& w, double eps) { return std::make_unique<RmsNorm>(w, eps); }

}  // namespace gradfold
