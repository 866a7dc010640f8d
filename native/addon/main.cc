// The addon's entry point. Everything it holds belongs to one environment, so that worker threads can load it too.
#include <napi.h>

#include "objects.h"
#include "platform.h"

namespace gradfold {

namespace {

/// createStop() → flag; raiseStop(flag) asks the job that was given the flag to end early.
Napi::Value create_stop(const Napi::CallbackInfo& info) {
  return Napi::External<StopFlag>::New(info.Env(), new StopFlag(std::make_shared<std::atomic<bool>>(false)),
                                       [](Napi::Env, StopFlag* flag) { delete flag; });
}

void raise_stop(const Napi::CallbackInfo& info) { (*info[0].As<Napi::External<StopFlag>>().Data())->store(true); }

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  environment->engine = Napi::Persistent(EngineObject::define(env));
  environment->vector = Napi::Persistent(VectorObject::define(env));
  environment->model = Napi::Persistent(ModelObject::define(env));
  environment->rater = Napi::Persistent(RaterObject::define(env));
  env.SetInstanceData(environment);
  exports.Set("NativeEngine", environment->engine.Value());
  exports.Set("createStop", Napi::Function::New<create_stop>(env));
  exports.Set("raiseStop", Napi::Function::New<raise_stop>(env));
  register_functions(env, exports);
  return exports;
}

}  // namespace
}  // namespace gradfold

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return gradfold::init(env, exports); }
NODE_API_MODULE(gradfold, InitAddon)
