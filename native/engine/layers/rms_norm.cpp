#include "rms_norm.h"

namespace gradfold {

RmsNorm::Saved RmsNorm::take_saved(Pass& pass, int64_t rows) const {
  return {pass.arena.take<float>(rows), pass.dual() ? pass.arena.take<float>(rows) : nullptr};
}

void RmsNorm::forward(Pass& pass, const Dual& x, const Dual& y, const Saved& saved) const {
  pass.device.rms_norm(x.value, pass.value_of(w_), eps_, y.value, saved.rstd);
  if (!pass.dual()) return;
  pass.device.rms_norm_tangent(x.value, x.tangent, pass.value_of(w_), pass.tangent_of(w_), saved.rstd, y.tangent,
                               saved.rstd_tangent);
}

void RmsNorm::backward(Pass& pass, const Dual& dy, const Dual& x, const Saved& saved, const Ranges& ranges,
                       const Dual& dx) const {
  Arena::Scope scope(pass.arena);
  const Mat rows = pass.arena.matrix(ranges.samples(), w_.cols);
  if (pass.dual()) {
    pass.device.rms_norm_backward_tangent(dy.value, dy.tangent, x.value, x.tangent, pass.value_of(w_),
                                          pass.tangent_of(w_), saved.rstd, saved.rstd_tangent, dx.tangent,
                                          pass.gradient + w_.offset);
  }
  pass.device.rms_norm_backward(dy.value, x.value, pass.value_of(w_), saved.rstd, ranges.samples(),
                                ranges.begin_on_device, dx.value, rows);
  if (!pass.dual()) pass.device.sample_rows(rows, pass.statistics_over(ranges), TargetOf(pass, w_));
}

}  // namespace gradfold
