#include "language_head.h"

#include <algorithm>

#include "../sample_gradient.h"

namespace gradfold {

namespace {

/// Bytes of float32 logits, tangents included, held at most at a time.
constexpr int64_t kLogitBytes = int64_t{64} << 20;
/// Rows of them with which the projection's products run at full rate; more only cost memory.
constexpr int64_t kLogitRows = 1024;

int64_t rows_that_fit(int64_t vocabulary) {
  return std::max<int64_t>(1, kLogitBytes / (vocabulary * static_cast<int64_t>(sizeof(float))));
}

/// Predictions of the sample that has most.
int64_t longest_sample(const Pass& pass) {
  const auto& begin = pass.prediction_ranges.begin;
  int64_t longest = 0;
  for (size_t i = 0; i + 1 < begin.size(); i++) longest = std::max<int64_t>(longest, begin[i + 1] - begin[i]);
  return longest;
}

int64_t rows_of_block(int64_t vocabulary) { return std::min(kLogitRows, rows_that_fit(vocabulary)); }

/// The same of a pass: a whole sample where statistics are taken, and in a dual pass whole tiles of products, where
/// so much fits.
int64_t rows_of_block(const Pass& pass, int64_t vocabulary) {
  constexpr int64_t kTile = 128;
  if (pass.dual()) {
    const int64_t rows = rows_of_block(2 * vocabulary);
    return rows < kTile ? rows : rows / kTile * kTile;
  }
  const int64_t sample = pass.has_statistics() ? longest_sample(pass) : 0;
  return std::min(std::max(kLogitRows, sample), rows_that_fit(vocabulary));
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
Ranges clipped(Pass& pass, int64_t first, int64_t rows) {
  Ranges inside{pass.prediction_ranges.begin, nullptr};
  for (int32_t& b : inside.begin) b = static_cast<int32_t>(std::clamp<int64_t>(b - first, 0, rows));
  inside.begin_on_device = pass.arena.table(inside.begin);
  return inside;
}

AnyMat rows_of(const AnyMat& m, int64_t first, int64_t rows) {
  char* data = static_cast<char*>(m.data);
  return {data ? data + first * m.stride * size_of(m.type) : nullptr, rows, m.cols, m.stride, m.type};
}

AnyDual rows_of(const AnyDual& d, int64_t first, int64_t rows) {
  return {rows_of(d.value, first, rows), rows_of(d.tangent, first, rows), d.known};
}

/// Where the gradient of a block of logits goes: onto them in float32, elsewhere as operands of other precision.
AnyDual gradient_of(Pass& pass, const Dual& logits) {
  if (pass.device.precision() == Type::f32) return logits;
  return pass.take_stored(logits.value.rows, logits.value.cols);
}

}  // namespace

bool LanguageHead::defers(const Pass& pass) const {
  if (pass.dual() || !pass.has_statistics()) return false;
  if (pass.statistics.gram) return true;  // pairs of samples of different blocks
  if (tied_ && (pass.statistics.norms2 || !pass.gradients.empty())) return true;  // both uses add up first
  const int64_t rows = rows_that_fit(projection_.weight().rows);
  return longest_sample(pass) > rows || (projection_.bias() && pass.prediction_ranges.samples() > rows);
}

LanguageHead::State LanguageHead::take_state(Pass& pass, int64_t width) const {
  const int64_t n = pass.batch.predictions();
  return {pass.take_stored(n, width), pass.arena.take<double>(n), pass.dual() ? pass.arena.take<double>(n) : nullptr,
          pass.arena.take<double>(n), defers(pass)};
}

Dual LanguageHead::select(Pass& pass, const Dual& x) const {
  const Dual selected = pass.take(pass.batch.predictions(), x.value.cols);
  pass.device.gather_rows(x.value, pass.predicted, selected.value);
  if (pass.dual()) pass.device.gather_rows(x.tangent, pass.predicted, selected.tangent);
  return selected;
}

void LanguageHead::block(Pass& pass, const State& state, int64_t first, int64_t rows, const AnyDual* dhidden) const {
  Arena::Scope scope(pass.arena);
  const AnyDual hidden = rows_of(state.hidden, first, rows);
  const Dual logits = pass.take_logits(rows, projection_.weight().rows);
  projection_.forward(pass, hidden, logits);
  const int32_t* labels = pass.labels + first;
  const double* scale = dhidden ? pass.scale + first : nullptr;
  const AnyDual gradient = dhidden ? gradient_of(pass, logits) : AnyDual(logits);
  if (pass.dual()) {
    pass.device.cross_entropy_tangent(logits.value, logits.tangent, labels, scale, state.loss + first,
                                      state.loss_tangent + first, gradient.value, gradient.tangent);
  } else {
    pass.device.cross_entropy(logits.value, labels, scale, state.loss + first, state.lse + first, gradient.value);
  }
  if (!dhidden) return;
  projection_.backward(pass, gradient, rows_of(*dhidden, first, rows));
  if (!state.deferred) projection_.parameter_gradient(pass, gradient, hidden, clipped(pass, first, rows));
}

LanguageHead::State LanguageHead::loss(Pass& pass, const Dual& x) const {
  const int64_t n = pass.batch.predictions();
  const State state = take_state(pass, x.value.cols);
  Arena::Scope scope(pass.arena);
  const Dual selected = select(pass, x);
  transform_.forward(pass, selected, transform_.take_saved(pass, selected), state.hidden);
  const int64_t rows = rows_of_block(pass, projection_.weight().rows);
  for (int64_t first = 0; first < n; first += rows) {
    pass.stop_if_cancelled();
    block(pass, state, first, std::min(rows, n - first), nullptr);
  }
  return state;
}

void LanguageHead::logits(Pass& pass, const Dual& x, float* out) const {
  const int64_t n = pass.batch.predictions(), vocabulary = projection_.weight().rows;
  const Dual selected = select(pass, x);
  const AnyDual hidden = pass.take_stored(n, x.value.cols);
  transform_.forward(pass, selected, transform_.take_saved(pass, selected), hidden);
  const int64_t rows = rows_of_block(vocabulary);
  for (int64_t first = 0; first < n; first += rows) {
    pass.stop_if_cancelled();
    Arena::Scope scope(pass.arena);
    const int64_t count = std::min(rows, n - first);
    const Dual block = pass.take(count, vocabulary);
    projection_.forward(pass, rows_of(hidden, first, count), block);
    pass.device.download(out + first * vocabulary, block.value.data, count * vocabulary * sizeof(float));
  }
}

LanguageHead::State LanguageHead::loss_and_backward(Pass& pass, const Dual& x, const Dual& dx) const {
  const int64_t n = pass.batch.predictions(), d = x.value.cols;
  const State state = take_state(pass, d);
  Arena::Scope scope(pass.arena);
  const Dual selected = select(pass, x), dselected = pass.take(n, d);
  const HeadTransform::Saved saved = transform_.take_saved(pass, selected);
  const AnyDual dhidden = pass.take_stored(n, d, pass.input_gradients);
  transform_.forward(pass, selected, saved, state.hidden);

  const bool whole_samples = pass.has_statistics() && !state.deferred;
  const int64_t rows = rows_of_block(pass, projection_.weight().rows);
  for (int64_t first = 0; first < n;) {
    pass.stop_if_cancelled();
    const int64_t end = end_of_block(pass, first, rows, whole_samples);
    block(pass, state, first, end - first, &dhidden);
    first = end;
  }

  transform_.backward(pass, dhidden, selected, saved, pass.prediction_ranges, dselected);
  pass.device.scatter_rows(dselected.value, pass.predicted, dx.value);
  if (pass.dual()) pass.device.scatter_rows(dselected.tangent, pass.predicted, dx.tangent);
  return state;
}

void LanguageHead::deferred_gradient(Pass& pass, const State& state, const Mat& dembedding) const {
  const int64_t n = pass.batch.predictions(), tokens = tied_ ? pass.batch.tokens() : 0;
  const Weight& whole = projection_.weight();
  const int64_t d = whole.cols, vocabulary = whole.rows;
  const Type type = pass.device.precision();
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
  const AnyMat both = pass.arena.matrix(rows, d, type), inputs = pass.arena.matrix(rows, d, type);
  pass.device.convert(state.hidden.value, rows_of(both, 0, n));
  if (tied_) pass.device.convert(dembedding, rows_of(both, n, tokens));
  pass.device.gather_rows(both, index, inputs);

  const int64_t width = std::min(vocabulary, rows_of_block(rows));
  for (int64_t first = 0; first < vocabulary; first += width) {
    pass.stop_if_cancelled();
    Arena::Scope panel_scope(pass.arena);
    const int64_t cols = std::min(width, vocabulary - first);
    const Weight panel = whole.rows_from(first, cols);
    const AnyMat gradient = pass.arena.matrix(rows, cols, type), of_predictions = rows_of(gradient, 0, n);
    const Mat logits =
        type == Type::f32 ? Mat{static_cast<float*>(gradient.data), n, cols, cols} : pass.arena.matrix(n, cols);
    pass.device.matmul(state.hidden.value, false, pass.stored(pass.value_matrix(panel)), true, logits, 0);
    if (projection_.bias()) pass.device.add_bias(pass.value_of(*projection_.bias()) + first, logits);
    pass.device.cross_entropy_panel(logits, pass.labels, first, pass.scale, state.lse, of_predictions);
    if (projection_.bias()) {
      const Ranges& predictions = pass.prediction_ranges;
      const Mat sums = pass.arena.matrix(predictions.samples(), cols);
      pass.device.sum_rows(of_predictions, sums.rows, predictions.begin_on_device, sums);
      add_sample_rows(pass, projection_.bias()->numbers_from(first, cols), sums);
    }
    if (!tied_) {
      add_sample_products(pass, panel, gradient, inputs, ranges);
      continue;
    }
    pass.device.one_hot(pass.tokens.row, first, rows_of(gradient, n, tokens));
    const AnyMat ordered = pass.arena.matrix(rows, cols, type);
    pass.device.gather_rows(gradient, index, ordered);
    add_sample_products(pass, panel, ordered, inputs, ranges);
  }
}

}  // namespace gradfold
