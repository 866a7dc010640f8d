// The JavaScript class RowSorter: native/order/row_sorter.h for scores that come in pieces.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <variant>

#include "../order/row_sorter.h"

namespace gradfold {

/// Property `memory` of a sort of n rows: bytes, or 0 for no limit.
int64_t memory_of(const Napi::Object& options, int64_t n);

/// Typed in lib/order/native.ts. One call at a time, in the order that RowSorter asks for; others are refused.
class RowSorterObject : public Napi::ObjectWrap<RowSorterObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit RowSorterObject(const Napi::CallbackInfo& info);

 private:
  struct State;
  enum class Phase { kCounting, kArranged, kCollecting };

  /// Runs `work` on the thread pool; the arguments stay alive until its promise settles. It returns a number.
  Napi::Value run(const Napi::CallbackInfo& info, std::function<double(State&)> work);
  void expect(Phase phase) const;

  Napi::Value count(const Napi::CallbackInfo& info);
  Napi::Value refine(const Napi::CallbackInfo& info);
  Napi::Value arrange(const Napi::CallbackInfo& info);
  Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value collect(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<State> state_;
  Phase phase_ = Phase::kCounting;
  Napi::ObjectReference out_;  // of the open window
  size_t out_rows_ = 0;
};

}  // namespace gradfold
