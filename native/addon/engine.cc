#include "../engine/measure.h"
#include "../kernels/cpu/open.h"
#include "convert.h"
#include "guard.h"
#include "job.h"
#include "objects.h"
#include "sample_linear.h"

namespace gradfold {

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeEngine",
      {InstanceMethod<&EngineObject::create_model>("createModel"), InstanceMethod<&EngineObject::describe>("describe"),
       InstanceMethod<&EngineObject::measure_product>("measureProduct"),
       InstanceMethod<&EngineObject::per_sample_linear>("perSampleLinear"),
       InstanceMethod<&EngineObject::close>("close")});
}

/// new NativeEngine({threads, isa?, gemm?})
EngineObject::EngineObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  guarded(info.Env(), [&] {
    const auto options = info[0].As<Napi::Object>();
    const auto name = [&](const char* key) {
      const Napi::Value value = options.Get(key);
      return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
    };
    const std::string isa = name("isa"), gemm = name("gemm");
    std::shared_ptr<Device> device =
        open_cpu_device(static_cast<int>(get_integer(options, "threads")), Type::f32,
                        isa.empty() ? nullptr : isa.c_str(), gemm.empty() ? nullptr : gemm.c_str());
    runtime_ = std::make_shared<Runtime>(info.Env(), std::move(device));
  });
}

Napi::Value EngineObject::create_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const DecoderConfig config = decoder_config(info[0].As<Napi::Object>());
    const Layout layout = parameter_layout(info[1].As<Napi::Array>());
    const auto& device = runtime_->device();
    Decoder* created = nullptr;
    runtime_->run([&] { created = new Decoder(*device, config, layout); });
    // The device outlives every model on it.
    std::shared_ptr<Decoder> decoder(created, [device](Decoder* model) { delete model; });
    return ModelObject::create(info.Env(), runtime_, std::move(decoder));
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

/// measureProduct({m, n, k, transposeA, transposeB}) → seconds of one product [m × k] [k × n] after a first, untimed
/// one
Napi::Value EngineObject::measure_product(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto shape = info[0].As<Napi::Object>();
    const int64_t m = get_integer(shape, "m"), n = get_integer(shape, "n"), k = get_integer(shape, "k");
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
