#include "guard.h"
#include "objects.h"

namespace gradfold {

Napi::Value NetworkHandle::parameters(Napi::Env env) const {
  return guarded(env, [&] {
    auto memory = std::make_shared<VectorMemory>(runtime->device(), alive<Network>());
    return VectorObject::create(env, runtime, std::move(memory));
  });
}

Napi::Value NetworkHandle::zeros(Napi::Env env) const {
  return guarded(env, [&] {
    const auto memory = std::make_shared<VectorMemory>(runtime->device(), alive<Network>()->parameters().length());
    runtime->send([memory] { memory->device->fill(memory->data, 0, memory->length); });
    return VectorObject::create(env, runtime, memory);
  });
}

}  // namespace gradfold
