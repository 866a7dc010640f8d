#include "device_rows.h"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>

#include "../kernels/cuda/order_device.h"
#include "../kernels/cuda/weights_device.h"
#include "../order/buffer.h"
#include "../order/keys.h"
#include "array_call.h"
#include "job.h"
#include "objects.h"

namespace gradfold {
namespace {

/// Work on a device; returns a negative number, or the index of the input that it refuses.
using Work = std::function<int64_t(Device&)>;

/// Runs the work on the engine's thread. The promise holds the arrays, which the work reads and writes.
Napi::Value run_on(const Napi::Value& engine, const Napi::Value& stop, std::initializer_list<Napi::Value> arrays,
                   std::function<Result(Device&)> work) {
  const Napi::Env env = engine.Env();
  const std::shared_ptr<Runtime> runtime = EngineObject::runtime_of(engine);
  const Napi::Value promise = enqueue(
      env, *runtime, stop,
      [device = runtime->device(), work = std::move(work)](const StopFlag&) -> Result { return work(*device); });
  auto held = Napi::Array::New(env);
  for (const Napi::Value& array : arrays) held.Set(held.Length(), array);
  promise.As<Napi::Object>().Set("arrays", held);
  return promise;
}

/// The promise of what the work returns.
Napi::Value index_of(const Napi::Value& engine, const Napi::Value& stop, std::initializer_list<Napi::Value> arrays,
                     Work work) {
  return run_on(engine, stop, arrays, [work = std::move(work)](Device& device) -> Result {
    const auto refused = static_cast<double>(work(device));
    return [refused](Napi::Env env) { return Napi::Number::New(env, refused); };
  });
}

/// An array that is to receive so many numbers.
template <typename Number>
Number* target(const Napi::Value& value, const char* name, int64_t length) {
  auto array = typed_array<Number>(value, name);
  check(static_cast<int64_t>(array.ElementLength()) == length, "the length of the result");
  order::ask_for_huge_pages(array.Data(), array.ByteLength());
  return array.Data();
}

int64_t checked_rows(int64_t n) {
  check(n <= order::kMaxRows, "rows that uint32 can number");
  return n;
}

cuda::SortForm sort_form(const Napi::Object& options, int64_t n) {
  return {get_flag(options, "descending"), get_size(options, "keep", 0, n),
          get_size(options, "layers", 1, order::kMaxRows)};
}

/// sortRows(engine, scores, {descending, keep, layers}, out, stop)
Napi::Value sort_rows(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return with_floats(info[1], "scores", [&](auto* scores, int64_t n) {
      const cuda::SortForm form = sort_form(info[2].As<Napi::Object>(), checked_rows(n));
      uint32_t* out = target<uint32_t>(info[3], "out", form.keep);
      return index_of(info[0], info[4], {info[1], info[3]},
                      [=](Device& device) { return cuda::sort_rows(device, scores, n, form, out); });
    });
  });
}

/// measureSort(engine, scores, {descending, keep, layers}, out, stop): [the refused index or −1, seconds of upload,
/// sort, download and copy]
Napi::Value measure_sort(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return with_floats(info[1], "scores", [&](auto* scores, int64_t n) {
      const cuda::SortForm form = sort_form(info[2].As<Napi::Object>(), checked_rows(n));
      uint32_t* out = target<uint32_t>(info[3], "out", form.keep);
      return run_on(info[0], info[4], {info[1], info[3]}, [=](Device& device) -> Result {
        cuda::SortSeconds s{};
        const auto refused = static_cast<double>(cuda::sort_rows(device, scores, n, form, out, &s));
        return [=](Napi::Env env) { return float64_array(env, {refused, s.upload, s.sort, s.download, s.copy}); };
      });
    });
  });
}

/// Group ids [n], or null.
const int32_t* group_ids(const Napi::Value& value, int64_t n) {
  if (value.IsUndefined()) return nullptr;
  const auto groups = typed_array<int32_t>(value, "groups");
  check(static_cast<int64_t>(groups.ElementLength()) == n, "a group id for each row");
  return groups.Data();
}

/// softmaxWeights(engine, scores, groups or undefined, temperature, into, stop)
Napi::Value softmax_weights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return with_floats(info[1], "scores", [&](auto* scores, int64_t n) {
      const int32_t* groups = group_ids(info[2], checked_rows(n));
      const double temperature = info[3].As<Napi::Number>().DoubleValue();
      double* into = target<double>(info[4], "into", n);
      return index_of(info[0], info[5], {info[1], info[2], info[4]}, [=](Device& device) {
        return cuda::softmax_weights(device, scores, n, groups, temperature, into);
      });
    });
  });
}

/// softmaxWeightsBackward(engine, weights, weightGradients, groups or undefined, temperature, into, stop)
Napi::Value softmax_weights_backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto weights = typed_array<double>(info[1], "weights");
    const auto gradients = typed_array<double>(info[2], "weightGradients");
    const int64_t n = checked_rows(static_cast<int64_t>(weights.ElementLength()));
    check(gradients.ElementLength() == weights.ElementLength(), "a gradient for each weight");
    const int32_t* groups = group_ids(info[3], n);
    const double temperature = info[4].As<Napi::Number>().DoubleValue();
    double* into = target<double>(info[5], "into", n);
    return index_of(info[0], info[6], {info[1], info[2], info[3], info[5]},
                    [=, w = weights.Data(), dw = gradients.Data()](Device& device) {
                      return cuda::softmax_weights_backward(device, w, dw, n, groups, temperature, into);
                    });
  });
}

}  // namespace

void register_device_rows(Napi::Env env, Napi::Object exports) {
  exports.Set("sortRows", Napi::Function::New<sort_rows>(env));
  exports.Set("measureSort", Napi::Function::New<measure_sort>(env));
  exports.Set("softmaxWeights", Napi::Function::New<softmax_weights>(env));
  exports.Set("softmaxWeightsBackward", Napi::Function::New<softmax_weights_backward>(env));
}

}  // namespace gradfold
