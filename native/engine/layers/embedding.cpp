#include "embedding.h"

#include "../sample_gradient.h"

namespace gradfold {

Embedding::Saved Embedding::take_saved(Pass& pass) const {
  if (!tables_.norm) return {};
  const int64_t n = pass.batch.tokens();
  return {pass.take(n, tables_.tokens.cols, pass.activations), tables_.norm->take_saved(pass, n)};
}

void Embedding::forward(Pass& pass, const Saved& saved, const Dual& x) const {
  const Dual& sum = tables_.norm ? saved.sum : x;
  const auto add = [&](const std::optional<Weight>& table, const TableIndex& index) {
    if (!table) return;
    if (!sum.known) pass.device.add_gathered_rows(pass.value_matrix(*table), index.row, sum.value);
    if (pass.dual()) pass.device.add_gathered_rows(pass.tangent_matrix(*table), index.row, sum.tangent);
  };
  if (!sum.known) pass.device.gather_rows(pass.value_matrix(tables_.tokens), pass.tokens.row, sum.value);
  if (pass.dual()) pass.device.gather_rows(pass.tangent_matrix(tables_.tokens), pass.tokens.row, sum.tangent);
  add(tables_.positions, pass.positions);
  add(tables_.types, pass.types);
  if (tables_.norm) tables_.norm->forward(pass, sum, x, saved.norm);
}

void Embedding::backward_norm(Pass& pass, const Saved& saved, const Dual& dx) const {
  if (!tables_.norm) return;
  Arena::Scope scope(pass.arena);
  const Dual dy = pass.take(dx.value.rows, dx.value.cols);
  pass.copy(dx, dy);
  pass.fill(dx, 0);
  tables_.norm->backward(pass, dy, saved.sum, saved.norm, pass.token_ranges, dx);
}

void Embedding::backward_tables(Pass& pass, const Dual& dsum, bool with_tokens) const {
  // A lookup is linear in its table, so the Hessian product's share is the same scatter applied to the tangent.
  const Mat& rows = pass.dual() ? dsum.tangent : dsum.value;
  if (with_tokens) add_sample_embedding(pass, tables_.tokens, pass.tokens, rows);
  if (tables_.positions) add_sample_embedding(pass, *tables_.positions, pass.positions, rows);
  if (tables_.types) add_sample_embedding(pass, *tables_.types, pass.types, rows);
}

}  // namespace gradfold
