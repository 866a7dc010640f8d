#include "../engine/error.h"
#include "../engine/measure.h"
#include "convert.h"
#include "guard.h"
#include "job.h"
#include "objects.h"
#include "platform.h"
#include "sample_linear.h"

namespace gradfold {

namespace {
/// Tells engines from other objects, whatever prototype JavaScript gives them.
constexpr napi_type_tag kEngineTag = {0x51c0a96f8e2d4b37, 0xa4d27e905c1b38f6};
}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeEngine",
      {InstanceMethod<&EngineObject::create_model>("createModel"),
       InstanceMethod<&EngineObject::create_rater>("createRater"), InstanceMethod<&EngineObject::describe>("describe"),
       InstanceMethod<&EngineObject::repeated>("repeated"),
       InstanceMethod<&EngineObject::measure_product>("measureProduct"),
       InstanceMethod<&EngineObject::per_sample_linear>("perSampleLinear"),
       InstanceMethod<&EngineObject::close>("close")});
}

/// new NativeEngine(options): recompute (backbone.h), and those of platform.h's open_device
EngineObject::EngineObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  guarded(info.Env(), [&] {
    const auto options = info[0].As<Napi::Object>();
    recompute_ = get_flag(options, "recompute");
    runtime_ = std::make_shared<Runtime>(info.Env(), open_device(options));
  });
  info.This().As<Napi::Object>().TypeTag(&kEngineTag);
}

std::shared_ptr<Runtime> EngineObject::runtime_of(const Napi::Value& value) {
  check(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&kEngineTag),
        "the argument is an engine of this addon");
  return Unwrap(value.As<Napi::Object>())->runtime_;
}

/// A network made on the engine thread; the device outlives it.
template <typename T, typename... Arguments>
std::shared_ptr<T> EngineObject::create_network(const Arguments&... arguments) {
  const auto& device = runtime_->device();
  T* created = nullptr;
  runtime_->run([&] { created = new T(*device, arguments...); });
  return {created, [device](T* network) { delete network; }};
}

/// createModel(shape, slots)
Napi::Value EngineObject::create_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const TransformerConfig config = transformer_config(info[0].As<Napi::Object>());
    const std::vector<Slot> slots = parameter_slots(info[1].As<Napi::Array>());
    return ModelObject::create(info.Env(), {runtime_, create_network<LanguageModel>(config, slots, recompute_)});
  });
}

/// createRater(shape with pooling, slots)
Napi::Value EngineObject::create_rater(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto shape = info[0].As<Napi::Object>();
    const TransformerConfig config = transformer_config(shape);
    const Pooling pooling = pooling_of(shape);
    const std::vector<Slot> slots = parameter_slots(info[1].As<Napi::Array>());
    return RaterObject::create(info.Env(), {runtime_, create_network<SequenceRater>(config, pooling, slots, recompute_)});
  });
}

Napi::Value EngineObject::describe(const Napi::CallbackInfo& info) {
  const Device& device = *runtime_->device();
  auto object = Napi::Object::New(info.Env());
  object.Set("isa", device.isa());
  object.Set("gemm", device.gemm());
  object.Set("threads", device.threads());
  return object;
}

/// repeated() → how often the device ran work that it had run before as a whole
Napi::Value EngineObject::repeated(const Napi::CallbackInfo& info) {
  double count = 0;
  runtime_->run([&] { count = static_cast<double>(runtime_->device()->repeated()); });
  return Napi::Number::New(info.Env(), count);
}

/// measureProduct({m, n, k, transposeA, transposeB}) → seconds of one product [m × k] [k × n] after a first, untimed
/// one
Napi::Value EngineObject::measure_product(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto shape = info[0].As<Napi::Object>();
    const int64_t m = get_size(shape, "m", 1), n = get_size(shape, "n", 1), k = get_size(shape, "k", 1);
    const bool ta = get_flag(shape, "transposeA"), tb = get_flag(shape, "transposeB");
    return enqueue(info.Env(), *runtime_, info.Env().Undefined(),
                   [device = runtime_->device(), m, n, k, ta, tb](const StopFlag&) -> Result {
                     const double seconds = product_seconds(*device, m, n, k, ta, tb);
                     return [seconds](Napi::Env env) { return Napi::Number::New(env, seconds); };
                   });
  });
}

Napi::Value EngineObject::per_sample_linear(const Napi::CallbackInfo& info) {
  return gradfold::per_sample_linear(info, *runtime_);
}

void EngineObject::close(const Napi::CallbackInfo&) { runtime_->close(); }

}  // namespace gradfold
