#include "head.h"

#include <algorithm>

namespace gradfold {

namespace {

/// Bytes of logits held at a time: large enough that the projection's products run at full rate, small enough that the
/// block stays in a server's last-level cache.
constexpr int64_t kLogitBytes = int64_t{64} << 20;

int64_t rows_of_block(int64_t vocabulary) {
  return std::max<int64_t>(1, kLogitBytes / (vocabulary * static_cast<int64_t>(sizeof(float))));
}

bool has_statistics(const Pass& pass) {
  return pass.statistics.norms2 || pass.statistics.vectors > 0 || pass.statistics.gram || !pass.gradients.empty();
}

/// The first prediction after the block that starts at `first`: whole samples while statistics are taken.
int64_t end_of_block(const Pass& pass, int64_t first, int64_t rows, bool whole_samples) {
  const int64_t n = pass.batch.predictions();
  const int64_t limit = std::min(first + rows, n);
  if (!whole_samples || limit == n) return limit;
  const auto& begin = pass.prediction_ranges.begin;
  return *(std::upper_bound(begin.begin(), begin.end(), limit) - 1);
}

/// The samples' prediction ranges within [first, first + rows), relative to first; empty for samples outside.
Ranges clipped(const Ranges& ranges, int64_t first, int64_t rows) {
  Ranges inside{ranges.begin, nullptr};
  for (int32_t& b : inside.begin) b = static_cast<int32_t>(std::clamp<int64_t>(b - first, 0, rows));
  return inside;
}

Mat rows_of(const Mat& m, int64_t first, int64_t rows) {
  return {m.data ? m.data + first * m.stride : nullptr, rows, m.cols, m.stride};
}

Dual rows_of(const Dual& d, int64_t first, int64_t rows) {
  return {rows_of(d.value, first, rows), rows_of(d.tangent, first, rows)};
}

}  // namespace

bool Head::defers(const Pass& pass) const {
  if (pass.dual() || !has_statistics(pass)) return false;
  if (pass.statistics.gram) return true;  // pairs of samples of different blocks
  if (tied_ && (pass.statistics.norms2 || !pass.gradients.empty())) return true;  // both uses add up first
  const auto& begin = pass.prediction_ranges.begin;
  int64_t longest = 0;
  for (size_t i = 0; i + 1 < begin.size(); i++) longest = std::max<int64_t>(longest, begin[i + 1] - begin[i]);
  return longest > rows_of_block(projection_.weight().rows);
}

void Head::block(Pass& pass, const State& state, int64_t first, int64_t rows, const Dual* dhidden) const {
  Arena::Scope scope(pass.arena);
  const Dual hidden = rows_of(state.hidden, first, rows);
  const Dual logits = pass.take(rows, projection_.weight().rows);
  projection_.forward(pass, hidden, logits);
  const int32_t* labels = pass.labels + first;
  const double* scale = dhidden ? pass.scale + first : nullptr;
  if (pass.dual()) {
    pass.device.cross_entropy_tangent(logits.value, logits.tangent, labels, scale, state.loss + first,
                                      state.loss_tangent + first, logits.value, logits.tangent);
  } else {
    pass.device.cross_entropy(logits.value, labels, scale, state.loss + first, state.lse + first, logits.value);
  }
  if (!dhidden) return;
  projection_.backward(pass, logits, rows_of(*dhidden, first, rows));
  if (!state.deferred) {
    projection_.parameter_gradient(pass, logits, hidden, clipped(pass.prediction_ranges, first, rows));
  }
}

Head::State Head::loss(Pass& pass, const Dual& x) const {
  const int64_t n = pass.batch.predictions(), d = x.value.cols;
  State state{pass.take(n, d), pass.arena.take<double>(n), nullptr, pass.arena.take<double>(n), false};
  Arena::Scope scope(pass.arena);
  const Dual selected = pass.take(n, d);
  pass.device.gather_rows(x.value, pass.predicted, selected.value);
  norm_.forward(pass, selected, state.hidden, norm_.take_saved(pass, n));
  const int64_t rows = rows_of_block(projection_.weight().rows);
  for (int64_t first = 0; first < n; first += rows) {
    pass.stop_if_cancelled();
    block(pass, state, first, std::min(rows, n - first), nullptr);
  }
  return state;
}

Head::State Head::loss_and_backward(Pass& pass, const Dual& x, const Dual& dx) const {
  const int64_t n = pass.batch.predictions(), d = x.value.cols;
  State state{pass.take(n, d), pass.arena.take<double>(n), pass.dual() ? pass.arena.take<double>(n) : nullptr,
              pass.arena.take<double>(n), defers(pass)};
  Arena::Scope scope(pass.arena);
  const Dual selected = pass.take(n, d), dhidden = pass.take(n, d), dselected = pass.take(n, d);
  pass.device.gather_rows(x.value, pass.predicted, selected.value);
  if (pass.dual()) pass.device.gather_rows(x.tangent, pass.predicted, selected.tangent);
  const RmsNorm::Saved saved = norm_.take_saved(pass, n);
  norm_.forward(pass, selected, state.hidden, saved);

  const bool whole_samples = has_statistics(pass) && !state.deferred;
  const int64_t rows = rows_of_block(projection_.weight().rows);
  for (int64_t first = 0; first < n;) {
    pass.stop_if_cancelled();
    const int64_t end = end_of_block(pass, first, rows, whole_samples);
    block(pass, state, first, end - first, &dhidden);
    first = end;
  }

  pass.device.fill(dselected.value.data, 0, n * d);
  if (pass.dual()) pass.device.fill(dselected.tangent.data, 0, n * d);
  norm_.backward(pass, dhidden, selected, saved, pass.prediction_ranges, dselected);
  pass.device.scatter_rows(dselected.value, pass.predicted, dx.value);
  if (pass.dual()) pass.device.scatter_rows(dselected.tangent, pass.predicted, dx.tangent);
  return state;
}

void Head::deferred_gradient(Pass& pass, const State& state, const Mat& dembedding) const {
  const int64_t n = pass.batch.predictions(), tokens = tied_ ? pass.batch.tokens() : 0;
  const int64_t d = state.hidden.value.cols, vocabulary = projection_.weight().rows;
  Arena::Scope scope(pass.arena);

  // A lookup is a product with a one-hot row, so a tied table's two uses are one product over the sample's predictions
  // (output gradient softmax − one-hot, input hidden state) followed by its tokens (one-hot, input gradient).
  Ranges ranges{{0}, nullptr};
  std::vector<int32_t> order;
  for (int64_t i = 0; i < pass.prediction_ranges.samples(); i++) {
    for (int32_t r = pass.prediction_ranges.begin[i]; r < pass.prediction_ranges.begin[i + 1]; r++) order.push_back(r);
    if (tied_) {
      for (int32_t t = pass.token_ranges.begin[i]; t < pass.token_ranges.begin[i + 1]; t++) {
        order.push_back(static_cast<int32_t>(n + t));
      }
    }
    ranges.begin.push_back(static_cast<int32_t>(order.size()));
  }
  const int32_t* index = pass.arena.table(order);
  const int64_t rows = n + tokens;
  const Mat both = pass.arena.matrix(rows, d), inputs = pass.arena.matrix(rows, d);
  pass.device.copy(both.data, state.hidden.value.data, n * d);
  if (tied_) pass.device.copy(both.data + n * d, dembedding.data, tokens * d);
  pass.device.gather_rows(both, index, inputs);

  const int64_t width = std::min(vocabulary, rows_of_block(rows));
  for (int64_t first = 0; first < vocabulary; first += width) {
    pass.stop_if_cancelled();
    Arena::Scope panel_scope(pass.arena);
    const int64_t cols = std::min(width, vocabulary - first);
    const Weight panel{projection_.weight().offset + first * d, cols, d};
    const Mat gradient = pass.arena.matrix(rows, cols);
    const Mat logits = rows_of(gradient, 0, n);
    pass.device.matmul(state.hidden.value, false, pass.value_matrix(panel), true, logits, 0);
    pass.device.cross_entropy_panel(logits, pass.labels, first, pass.scale, state.lse, logits);
    if (!tied_) {
      Linear(panel).parameter_gradient(pass, {gradient, {}}, {inputs, {}}, ranges);
      continue;
    }
    pass.device.one_hot(pass.ids, first, rows_of(gradient, n, tokens));
    const Mat ordered = pass.arena.matrix(rows, cols);
    pass.device.gather_rows(gradient, index, ordered);
    Linear(panel).parameter_gradient(pass, {ordered, {}}, {inputs, {}}, ranges);
  }
}

}  // namespace gradfold
