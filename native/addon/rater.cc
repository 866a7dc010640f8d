#include <utility>

#include "../engine/error.h"
#include "guard.h"
#include "job.h"
#include "objects.h"

namespace gradfold {

Napi::Function RaterObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeRater",
      {InstanceMethod<&RaterObject::parameters>("parameters"), InstanceMethod<&RaterObject::zeros>("zeros"),
       InstanceMethod<&RaterObject::score>("score"), InstanceMethod<&RaterObject::backward>("backward"),
       InstanceMethod<&RaterObject::dispose>("dispose")});
}

RaterObject::RaterObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

Napi::Object RaterObject::create(Napi::Env env, NetworkHandle handle) {
  Napi::Object object = env.GetInstanceData<Environment>()->rater.New({});
  RaterObject* self = Unwrap(object);
  self->handle_ = std::move(handle);
  self->handle_.account(env, 1);
  return object;
}

void RaterObject::Finalize(Napi::BasicEnv env) { handle_.account(env, -1); }

Napi::Value RaterObject::parameters(const Napi::CallbackInfo& info) { return handle_.parameters(info.Env()); }

Napi::Value RaterObject::zeros(const Napi::CallbackInfo& info) { return handle_.zeros(info.Env()); }

/// score(batch, stop?) → Float64Array
Napi::Value RaterObject::score(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto rater = handle_.alive<SequenceRater>();
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    return enqueue(info.Env(), *handle_.runtime, info[1], [rater, batch](const StopFlag& stop) -> Result {
      auto scores = rater->score(TokenBatch(batch->view(), false), stop.get());
      return [scores = std::move(scores)](Napi::Env env) { return float64_array(env, scores); };
    });
  });
}

/// backward(batch, scoreGradients, into, stop?) → Float64Array of scores
Napi::Value RaterObject::backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    auto score_gradients = doubles(info[1], "scoreGradients");
    const auto into = handle_.vector(info[2]);
    const auto rater = handle_.alive<SequenceRater>();
    return enqueue(info.Env(), *handle_.runtime, info[3],
                   [rater, batch, into, score_gradients = std::move(score_gradients)](const StopFlag& stop) -> Result {
                     const TokenBatch tokens(batch->view(), false);
                     check(static_cast<int64_t>(score_gradients.size()) == tokens.samples(),
                           "one score gradient a sample");
                     auto scores = rater->backward(tokens, score_gradients, into->data, stop.get());
                     return [scores = std::move(scores)](Napi::Env env) { return float64_array(env, scores); };
                   });
  });
}

void RaterObject::dispose(const Napi::CallbackInfo& info) { handle_.dispose(info.Env()); }

}  // namespace gradfold
