#include "trace.h"

#include <utility>

#include "error.h"

namespace gradfold {

void Trace::lend(Pass& pass) {
  if (held()) return;
  arena_.reset();
  pass.activations = {&arena_, false};
}

void Trace::keep(Pass& pass, Keep what) {
  check(!pass.dual(), "a plain pass is traced");
  arena_.reset();
  pass.activations = {&arena_, false};
  if (what == Keep::gradients) pass.input_gradients = {&arena_, false};
}

int64_t Trace::complete(Of of) {
  of_ = std::move(of);
  bytes_ = arena_.handed_out();
  return ++number_;
}

const Trace::Of& Trace::of(int64_t number) const {
  if (!of_ || number != number_) {
    throw Error("DISPOSED", "the trace was disposed, or another pass of its model has taken its place");
  }
  return *of_;
}

void Trace::recall(Pass& pass) {
  check(pass.dual(), "a dual pass looks for a trace");
  arena_.rewind();
  pass.activations = {&arena_, true};
  if (of_->keep == Keep::gradients) pass.input_gradients = {&arena_, true};
}

void Trace::check_recalled() const {
  check(arena_.handed_out() == bytes_, "a dual pass takes what the traced pass took");
}

}  // namespace gradfold
