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
  const auto threads = static_cast<int>(integer_of(info[2], "threads", 1, kMostThreads));
  return with_floats(info[0], "scores", [&](auto* scores, int64_t n) { return make(scores, n, info[1], threads); });
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
    const int64_t layers = integer_of(option, "layers", 1, order::kMaxRows);
    return OrderCall{
        size_t(n), {}, [=](uint32_t* rows) { return order::fold_order(scores, n, layers, threads, rows); }};
  });
}

OrderCall read_top_k(const Napi::CallbackInfo& info) {
  return read_call(info, [](auto* scores, int64_t n, const Napi::Value& option, int threads) {
    const int64_t k = integer_of(option, "k", 1, n);
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
