#include "../engine/error.h"
#include "../engine/optimizer.h"
#include "guard.h"
#include "job.h"
#include "objects.h"

namespace gradfold {

namespace {
/// Tells vectors from other objects, whatever prototype JavaScript gives them.
constexpr napi_type_tag kVectorTag = {0x8d3c5e1fa2704b69, 0x9b17f04c6de8a253};

SgdStep sgd_settings(const Napi::Value& value) {
  const auto options = value.As<Napi::Object>();
  return {get_number(options, "lr"), get_number(options, "clipNorm")};
}

AdamwStep adamw_settings(const Napi::Value& value) {
  const auto options = value.As<Napi::Object>();
  return {get_number(options, "lr"),
          get_number(options, "clipNorm"),
          get_number(options, "beta1"),
          get_number(options, "beta2"),
          get_number(options, "eps"),
          get_number(options, "weightDecay"),
          get_size(options, "step", 1, kMostExact)};
}
}  // namespace

VectorMemory::VectorMemory(std::shared_ptr<Device> device_, int64_t length_)
    : device(std::move(device_)),
      data(static_cast<float*>(device->allocate(static_cast<size_t>(length_) * sizeof(float)))),
      length(length_) {}

VectorMemory::VectorMemory(std::shared_ptr<Device> device_, std::shared_ptr<Network> owner_)
    : device(std::move(device_)),
      owner(std::move(owner_)),
      data(owner->parameters().data()),
      length(owner->parameters().length()) {}

VectorMemory::~VectorMemory() {
  if (!owner) device->release(data);
}

Napi::Function VectorObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeVector",
      {InstanceMethod<&VectorObject::copy>("copy"), InstanceMethod<&VectorObject::fill>("fill"),
       InstanceMethod<&VectorObject::copy_from>("copyFrom"), InstanceMethod<&VectorObject::scale>("scale"),
       InstanceMethod<&VectorObject::axpy>("axpy"), InstanceMethod<&VectorObject::dot>("dot"),
       InstanceMethod<&VectorObject::read>("read"), InstanceMethod<&VectorObject::write>("write"),
       InstanceMethod<&VectorObject::sgd_step>("sgdStep"), InstanceMethod<&VectorObject::adamw_step>("adamwStep"),
       InstanceMethod<&VectorObject::adamw_metric>("adamwMetric"),
       InstanceMethod<&VectorObject::sgd_adjoint>("sgdAdjoint"),
       InstanceMethod<&VectorObject::adamw_adjoint>("adamwAdjoint"),
       InstanceMethod<&VectorObject::dispose>("dispose")});
}

VectorObject::VectorObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  info.This().As<Napi::Object>().TypeTag(&kVectorTag);
}

Napi::Object VectorObject::create(Napi::Env env, std::shared_ptr<Runtime> runtime,
                                  std::shared_ptr<VectorMemory> memory) {
  Napi::Object object = env.GetInstanceData<Environment>()->vector.New({});
  VectorObject* self = Unwrap(object);
  self->runtime_ = std::move(runtime);
  self->memory_ = std::move(memory);
  self->account(env, 1);
  return object;
}

/// Tells the garbage collector of memory it cannot see; the live parameters are their model's.
void VectorObject::account(Napi::BasicEnv env, int64_t sign) {
  if (!memory_ || memory_->owner) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, sign * memory_->length * static_cast<int64_t>(sizeof(float)));
}

void VectorObject::Finalize(Napi::BasicEnv env) { account(env, -1); }

std::shared_ptr<VectorMemory> VectorObject::memory_of(const Napi::Value& value) {
  check(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&kVectorTag),
        "the argument is a vector of this addon");
  return Unwrap(value.As<Napi::Object>())->memory();
}

std::shared_ptr<VectorMemory> VectorObject::memory_of(const Napi::Value& value, const Device* device, int64_t length) {
  auto memory = memory_of(value);
  check(memory->length == length, "vectors of equal length");
  check(memory->device.get() == device, "vectors of one engine");
  return memory;
}

std::shared_ptr<VectorMemory> VectorObject::another(const Napi::Value& value) const {
  return memory_of(value, memory()->device.get(), memory()->length);
}

const std::shared_ptr<VectorMemory>& VectorObject::memory() const {
  if (!memory_) throw Error("DISPOSED", "the parameter vector was disposed");
  return memory_;
}

Napi::Value VectorObject::copy(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto from = memory();
    auto to = std::make_shared<VectorMemory>(from->device, from->length);
    runtime_->send([to, from] { from->device->copy(to->data, from->data, from->length); });
    return create(info.Env(), runtime_, std::move(to));
  });
}

void VectorObject::fill(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto x = memory();
    const auto value = info[0].As<Napi::Number>().FloatValue();
    runtime_->send([x, value] {
      x->device->fill(x->data, value, x->length);
      x->changed();
    });
  });
}

void VectorObject::copy_from(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto to = memory(), from = another(info[0]);
    if (to == from) return;
    runtime_->send([to, from] {
      to->device->copy(to->data, from->data, to->length);
      to->changed();
    });
  });
}

void VectorObject::scale(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto x = memory();
    const double a = info[0].As<Napi::Number>().DoubleValue();
    runtime_->send([x, a] {
      x->device->scale(x->data, a, x->length);
      x->changed();
    });
  });
}

void VectorObject::axpy(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto y = memory(), x = another(info[1]);
    const double a = info[0].As<Napi::Number>().DoubleValue();
    runtime_->send([y, a, x] {
      y->device->axpy(y->data, a, x->data, y->length);
      y->changed();
    });
  });
}

Napi::Value VectorObject::dot(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto x = memory(), y = another(info[0]);
    double result = 0;
    runtime_->run([&] { result = x->device->dot(x->data, y->data, x->length); });
    return Napi::Number::New(info.Env(), result);
  });
}

Napi::Value VectorObject::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto x = memory();
    const int64_t offset = integer_of(info[0], "offset", 0, x->length);
    const int64_t length = integer_of(info[1], "length", 0, x->length - offset);
    auto out = Napi::Float32Array::New(info.Env(), static_cast<size_t>(length));
    runtime_->run([&, to = out.Data()] {
      x->device->download(to, x->data + offset, static_cast<size_t>(length) * sizeof(float));
    });
    return out;
  });
}

void VectorObject::write(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const auto x = memory();
    const int64_t offset = integer_of(info[0], "offset", 0, x->length);
    const auto values = typed_array<float>(info[1], "values");
    const auto length = static_cast<int64_t>(values.ElementLength());
    check(length <= x->length - offset, "a range inside the vector");
    runtime_->run([&, from = values.Data()] {
      x->device->upload(x->data + offset, from, static_cast<size_t>(length) * sizeof(float));
      x->changed();
    });
  });
}

/// theta.sgdStep(gradient, {lr, clipNorm}) → ‖g‖
Napi::Value VectorObject::sgd_step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto theta = memory(), gradient = another(info[0]);
    const SgdStep step = sgd_settings(info[1]);
    return enqueue(info.Env(), *runtime_, info[2], [theta, gradient, step](const StopFlag&) -> Result {
      const double norm = gradfold::sgd_step(*theta->device, theta->data, gradient->data, step, theta->length);
      theta->changed();
      return [norm](Napi::Env env) { return Napi::Number::New(env, norm); };
    });
  });
}

/// theta.adamwStep(gradient, m, v, {lr, clipNorm, beta1, beta2, eps, weightDecay, step}) → ‖g‖
Napi::Value VectorObject::adamw_step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto theta = memory(), gradient = another(info[0]), m = another(info[1]), v = another(info[2]);
    const AdamwStep step = adamw_settings(info[3]);
    return enqueue(info.Env(), *runtime_, info[4], [theta, gradient, m, v, step](const StopFlag&) -> Result {
      const double norm =
          gradfold::adamw_step(*theta->device, theta->data, m->data, v->data, gradient->data, step, theta->length);
      theta->changed();
      return [norm](Napi::Env env) { return Napi::Number::New(env, norm); };
    });
  });
}

/// x.adamwMetric(v, settings): x as adamwStep with these settings would scale it
Napi::Value VectorObject::adamw_metric(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto x = memory(), v = another(info[0]);
    const AdamwStep step = adamw_settings(info[1]);
    return enqueue(info.Env(), *runtime_, info[2], [x, v, step](const StopFlag&) -> Result {
      gradfold::adamw_metric(*x->device, x->data, v->data, step, x->length);
      x->changed();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

/// thetaAdjoint.sgdAdjoint(gradient, settings): the reverse of theta.sgdStep(gradient, settings)
Napi::Value VectorObject::sgd_adjoint(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto theta = memory(), gradient = another(info[0]);
    check(theta != gradient, "adjoints of different vectors");
    const SgdStep step = sgd_settings(info[1]);
    return enqueue(info.Env(), *runtime_, info[2], [theta, gradient, step](const StopFlag&) -> Result {
      gradfold::sgd_adjoint(*theta->device, theta->data, gradient->data, step, theta->length);
      gradient->changed();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

/// thetaAdjoint.adamwAdjoint(gradient, m, v, settings, mAdjoint?, vAdjoint?): the reverse of theta.adamwStep(gradient,
/// m, v, settings)
Napi::Value VectorObject::adamw_adjoint(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto theta = memory(), gradient = another(info[0]), m = another(info[1]), v = another(info[2]);
    const AdamwStep step = adamw_settings(info[3]);
    const bool first = info[4].IsUndefined();
    const auto m_adjoint = first ? nullptr : another(info[4]), v_adjoint = first ? nullptr : another(info[5]);
    return enqueue(info.Env(), *runtime_, info[6],
                   [theta, gradient, m, v, step, m_adjoint, v_adjoint](const StopFlag&) -> Result {
                     gradfold::adamw_adjoint(*theta->device, theta->data, m_adjoint ? m_adjoint->data : nullptr,
                                             v_adjoint ? v_adjoint->data : nullptr, m->data, v->data, gradient->data,
                                             step, theta->length);
                     for (const auto& written : {theta, gradient, m, v}) written->changed();
                     return [](Napi::Env env) { return env.Undefined(); };
                   });
  });
}

void VectorObject::dispose(const Napi::CallbackInfo& info) {
  account(info.Env(), -1);
  memory_.reset();
}

}  // namespace gradfold
