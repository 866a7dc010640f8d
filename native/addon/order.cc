#include "order.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "../order/argsort.h"
#include "../order/fold.h"
#include "../order/top_k.h"
#include "guard.h"

namespace gradfold {
namespace {

using order::kNoNan;

/// One call with its arguments read: how many rows it returns, and what writes them.
struct OrderCall {
  size_t length;
  std::function<int64_t(uint32_t* rows)> run;  // kNoNan or the index of the first NaN
};

/// Reads (scores, option, threads) of a call; `make(scores, n, option, threads)` sees scores as float* or double*.
using ReadCall = OrderCall (*)(const Napi::CallbackInfo& info);

template <typename Make>
OrderCall read_call(const Napi::CallbackInfo& info, const Make& make) {
  const Napi::Env env = info.Env();
  if (info.Length() != 3 || !info[0].IsTypedArray() || !info[2].IsNumber()) {
    throw Napi::TypeError::New(env, "expected (scores, option, threads)");
  }
  const auto scores = info[0].As<Napi::TypedArray>();
  const auto n = static_cast<int64_t>(scores.ElementLength());
  const int threads = info[2].As<Napi::Number>().Int32Value();
  switch (scores.TypedArrayType()) {
    case napi_float32_array:
      return make(static_cast<const float*>(scores.As<Napi::Float32Array>().Data()), n, info[1], threads);
    case napi_float64_array:
      return make(static_cast<const double*>(scores.As<Napi::Float64Array>().Data()), n, info[1], threads);
    default:
      throw Napi::TypeError::New(env, "scores: expected a Float32Array or Float64Array");
  }
}

/// An integer option in [1, max].
int64_t read_count(const Napi::Value& value, int64_t max) {
  const int64_t count = value.IsNumber() ? value.As<Napi::Number>().Int64Value() : 0;
  if (count < 1 || count > max) throw Napi::RangeError::New(value.Env(), "option: out of range");
  return count;
}

OrderCall read_argsort(const Napi::CallbackInfo& info) {
  return read_call(info, [](auto* scores, int64_t n, const Napi::Value& option, int threads) {
    const bool descending = option.ToBoolean().Value();
    return OrderCall{size_t(n), [=](uint32_t* rows) { return order::argsort(scores, n, descending, threads, rows); }};
  });
}

OrderCall read_fold_order(const Napi::CallbackInfo& info) {
  return read_call(info, [](auto* scores, int64_t n, const Napi::Value& option, int threads) {
    const int64_t layers = read_count(option, order::kMaxRows);
    return OrderCall{size_t(n), [=](uint32_t* rows) { return order::fold_order(scores, n, layers, threads, rows); }};
  });
}

OrderCall read_top_k(const Napi::CallbackInfo& info) {
  return read_call(info, [](auto* scores, int64_t n, const Napi::Value& option, int threads) {
    const int64_t k = read_count(option, n);
    return OrderCall{size_t(k), [=](uint32_t* rows) { return order::top_k(scores, n, k, threads, rows); }};
  });
}

/// What JavaScript gets: the rows, or the index of the first NaN.
Napi::Value result_of(int64_t nan, const Napi::Uint32Array& rows) {
  if (nan == kNoNan) return rows;
  return Napi::Number::New(rows.Env(), static_cast<double>(nan));
}

template <ReadCall read>
Napi::Value call_now(const Napi::CallbackInfo& info) {
  const OrderCall call = read(info);
  auto rows = Napi::Uint32Array::New(info.Env(), call.length);
  return guarded(info.Env(), [&] { return result_of(call.run(rows.Data()), rows); });
}

/// Runs a call on the thread pool. The scores and the result are pinned until the promise settles.
class OrderWorker : public Napi::AsyncWorker {
 public:
  OrderWorker(Napi::Env env, OrderCall call, const Napi::Value& scores)
      : AsyncWorker(env, "gradfold.order"), call_(std::move(call)), deferred_(Napi::Promise::Deferred::New(env)) {
    auto rows = Napi::Uint32Array::New(env, call_.length);
    data_ = rows.Data();
    scores_ = Napi::Persistent(scores.As<Napi::Object>());
    rows_ = Napi::Persistent(rows.As<Napi::Object>());
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { nan_ = call_.run(data_); }
  void OnOK() override { deferred_.Resolve(result_of(nan_, rows_.Value().As<Napi::Uint32Array>())); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  OrderCall call_;
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference scores_, rows_;
  uint32_t* data_ = nullptr;
  int64_t nan_ = kNoNan;
};

template <ReadCall read>
Napi::Value call_async(const Napi::CallbackInfo& info) {
  auto* worker = new OrderWorker(info.Env(), read(info), info[0]);  // deletes itself when done
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

template <ReadCall read>
void export_call(Napi::Env env, Napi::Object exports, const std::string& name) {
  exports[name] = Napi::Function::New<call_now<read>>(env, name);
  exports[name + "Async"] = Napi::Function::New<call_async<read>>(env, name + "Async");
}

}  // namespace

void register_order(Napi::Env env, Napi::Object exports) {
  export_call<read_argsort>(env, exports, "argsort");
  export_call<read_fold_order>(env, exports, "foldOrder");
  export_call<read_top_k>(env, exports, "topK");
}

}  // namespace gradfold
