#include "weight.h"

#include "../order/parallel.h"
#include "../weight/softmax.h"
#include "array_call.h"

namespace gradfold {
namespace {

using WeightCall = ArrayCall<double>;

/// The last arguments of every call: groups (or undefined), temperature, threads, into (or undefined).
struct Options {
  const int32_t* groups;
  double temperature;
  int threads;
  Napi::Value into;

  /// A call whose result is n numbers written by body(out).
  template <typename Body>
  WeightCall call(int64_t n, Body body) const {
    const bool makes_pages = into.IsUndefined() && groups == nullptr && weight::is_streamed(n);
    return {size_t(n), into, [=, team = order::team_size(n, threads)](double* out) {
              if (makes_pages) order::make_pages(out, size_t(n) * sizeof(double), team);
              return body(out);
            }};
  }
};

Options read_options(const Napi::CallbackInfo& info, size_t first, int64_t n) {
  Options options{nullptr, info[first + 1].As<Napi::Number>().DoubleValue(),
                  static_cast<int>(integer_of(info[first + 2], "threads", 1, kMostThreads)), info[first + 3]};
  if (!info[first].IsUndefined()) {
    const auto groups = typed_array<int32_t>(info[first], "groups");
    if (static_cast<int64_t>(groups.ElementLength()) != n) throw Napi::RangeError::New(info.Env(), "groups: length");
    options.groups = groups.Data();
  }
  return options;
}

WeightCall read_softmax_weights(const Napi::CallbackInfo& info) {
  return with_floats(info[0], "scores", [&](auto* scores, int64_t n) {
    const Options o = read_options(info, 1, n);
    return o.call(n, [=, groups = o.groups, t = o.temperature, threads = o.threads](double* out) {
      return weight::softmax_weights(scores, n, groups, t, threads, out);
    });
  });
}

WeightCall read_softmax_weights_backward(const Napi::CallbackInfo& info) {
  const auto weights = typed_array<double>(info[0], "weights");
  const auto gradients = typed_array<double>(info[1], "weightGradients");
  const auto n = static_cast<int64_t>(weights.ElementLength());
  if (gradients.ElementLength() != weights.ElementLength()) throw Napi::RangeError::New(info.Env(), "lengths differ");
  const Options o = read_options(info, 2, n);
  return o.call(
      n, [=, w = weights.Data(), dw = gradients.Data(), groups = o.groups, t = o.temperature, threads = o.threads](
             double* out) { return weight::softmax_weights_backward(w, dw, n, groups, t, threads, out); });
}

}  // namespace

void register_weight(Napi::Env env, Napi::Object exports) {
  export_array_call<double, read_softmax_weights>(env, exports, "softmaxWeights");
  export_array_call<double, read_softmax_weights_backward>(env, exports, "softmaxWeightsBackward");
}

}  // namespace gradfold
