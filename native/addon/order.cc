#include "order.h"

#include <cstdint>

#include "../order/argsort.h"
#include "../order/fold.h"
#include "../order/top_k.h"
#include "array_call.h"

namespace gradfold {
namespace {

using OrderCall = ArrayCall<uint32_t>;

/// Reads (scores, option, threads) of a call; `make(scores, n, option, threads)` sees scores as float* or double*.
template <typename Make>
OrderCall read_call(const Napi::CallbackInfo& info, const Make& make) {
  if (info.Length() != 3 || !info[2].IsNumber()) {
    throw Napi::TypeError::New(info.Env(), "expected (scores, option, threads)");
  }
  const int threads = info[2].As<Napi::Number>().Int32Value();
  return with_floats(info[0], "scores", [&](auto* scores, int64_t n) { return make(scores, n, info[1], threads); });
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
    return OrderCall{
        size_t(n), {}, [=](uint32_t* rows) { return order::argsort(scores, n, descending, threads, rows); }};
  });
}

OrderCall read_fold_order(const Napi::CallbackInfo& info) {
  return read_call(info, [](auto* scores, int64_t n, const Napi::Value& option, int threads) {
    const int64_t layers = read_count(option, order::kMaxRows);
    return OrderCall{
        size_t(n), {}, [=](uint32_t* rows) { return order::fold_order(scores, n, layers, threads, rows); }};
  });
}

OrderCall read_top_k(const Napi::CallbackInfo& info) {
  return read_call(info, [](auto* scores, int64_t n, const Napi::Value& option, int threads) {
    const int64_t k = read_count(option, n);
    return OrderCall{size_t(k), {}, [=](uint32_t* rows) { return order::top_k(scores, n, k, threads, rows); }};
  });
}

}  // namespace

void register_order(Napi::Env env, Napi::Object exports) {
  export_array_call<uint32_t, read_argsort>(env, exports, "argsort");
  export_array_call<uint32_t, read_fold_order>(env, exports, "foldOrder");
  export_array_call<uint32_t, read_top_k>(env, exports, "topK");
}

}  // namespace gradfold
