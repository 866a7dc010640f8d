// Calls that write one new typed array, now or on the thread pool.
#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "../order/buffer.h"
#include "convert.h"
#include "guard.h"

namespace gradfold {

/// One call with its arguments read: how many numbers it returns, where, and what writes them.
template <typename Number>
struct ArrayCall {
  size_t length;
  Napi::Value into;  // a typed array of that length, or undefined: a new one
  /// Returns a negative number, or the index of the input that it refuses.
  std::function<int64_t(Number* out)> run;
};

template <typename Number>
using ReadArrayCall = ArrayCall<Number> (*)(const Napi::CallbackInfo& info);

/// What JavaScript gets: the array, or the index of what was refused.
template <typename Number>
Napi::Value array_or_index(int64_t refused, const Napi::TypedArrayOf<Number>& array) {
  if (refused < 0) return array;
  return Napi::Number::New(array.Env(), static_cast<double>(refused));
}

template <typename Number>
Napi::TypedArrayOf<Number> target_of(Napi::Env env, const ArrayCall<Number>& call) {
  if (!call.into.IsEmpty() && !call.into.IsUndefined()) {
    const auto array = typed_array<Number>(call.into, "into");
    if (array.ElementLength() != call.length) throw Napi::RangeError::New(env, "into: length");
    return array;
  }
  auto array = Napi::TypedArrayOf<Number>::New(env, call.length);
  order::ask_for_huge_pages(array.Data(), call.length * sizeof(Number));
  return array;
}

template <typename Number, ReadArrayCall<Number> read>
Napi::Value call_now(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ArrayCall<Number> call = read(info);
    auto array = target_of(info.Env(), call);
    return array_or_index(call.run(array.Data()), array);
  });
}

/// Runs a call on the thread pool. Its arrays and the result are pinned until the promise settles.
template <typename Number>
class ArrayWorker : public Napi::AsyncWorker {
 public:
  ArrayWorker(const Napi::CallbackInfo& info, ArrayCall<Number> call)
      : AsyncWorker(info.Env(), "gradfold.array"),
        run_(std::move(call.run)),
        deferred_(Napi::Promise::Deferred::New(info.Env())) {
    auto array = target_of(info.Env(), call);
    data_ = array.Data();
    array_ = Napi::Persistent(array.template As<Napi::Object>());
    for (size_t i = 0; i < info.Length(); ++i) {
      if (info[i].IsTypedArray()) inputs_.push_back(Napi::Persistent(info[i].As<Napi::Object>()));
    }
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      refused_ = run_(data_);
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  void OnOK() override {
    if (failure_) return deferred_.Reject(exception_as_error(Env(), failure_).Value());
    deferred_.Resolve(array_or_index(refused_, array_.Value().template As<Napi::TypedArrayOf<Number>>()));
  }

 private:
  std::function<int64_t(Number*)> run_;
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference array_;
  std::vector<Napi::ObjectReference> inputs_;
  Number* data_ = nullptr;
  int64_t refused_ = -1;
  std::exception_ptr failure_;
};

template <typename Number, ReadArrayCall<Number> read>
Napi::Value call_async(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto* worker = new ArrayWorker<Number>(info, read(info));  // deletes itself when done
    const Napi::Promise promise = worker->promise();
    worker->Queue();
    return promise;
  });
}

/// Adds the call to exports under its name, and with Async behind it.
template <typename Number, ReadArrayCall<Number> read>
void export_array_call(Napi::Env env, Napi::Object exports, const std::string& name) {
  exports[name] = Napi::Function::New<call_now<Number, read>>(env, name);
  exports[name + "Async"] = Napi::Function::New<call_async<Number, read>>(env, name + "Async");
}

/// make(numbers, n) with the array's data as float* or double*.
template <typename Make>
auto with_floats(const Napi::Value& value, const char* name, const Make& make) {
  const auto type = value.IsTypedArray() ? value.As<Napi::TypedArray>().TypedArrayType() : napi_int8_array;
  if (type == napi_float32_array) {
    const auto array = value.As<Napi::Float32Array>();
    return make(static_cast<const float*>(array.Data()), static_cast<int64_t>(array.ElementLength()));
  }
  if (type == napi_float64_array) {
    const auto array = value.As<Napi::Float64Array>();
    return make(static_cast<const double*>(array.Data()), static_cast<int64_t>(array.ElementLength()));
  }
  throw Napi::TypeError::New(value.Env(), std::string(name) + ": expected a Float32Array or Float64Array");
}

}  // namespace gradfold
