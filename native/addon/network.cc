#include "guard.h"
#include "objects.h"

namespace gradfold {

namespace {
/// What an arena takes first, as far as the collector is to know.
constexpr int64_t kArenaBytes = int64_t{8} << 20;
}  // namespace

std::shared_ptr<VectorMemory> NetworkHandle::vector(const Napi::Value& value) const {
  const auto owner = alive<Network>();
  return VectorObject::memory_of(value, runtime->device().get(), owner->parameters().length());
}

void NetworkHandle::account(Napi::BasicEnv env, int64_t sign) const {
  if (!network) return;
  const int64_t bytes = network->parameters().length() * static_cast<int64_t>(sizeof(float)) + kArenaBytes;
  Napi::MemoryManagement::AdjustExternalMemory(env, sign * bytes);
}

void NetworkHandle::dispose(Napi::BasicEnv env) {
  account(env, -1);
  network.reset();
}

Napi::Value NetworkHandle::parameters(Napi::Env env) const {
  return guarded(env, [&] {
    const auto owner = alive<Network>();
    auto memory = std::make_shared<VectorMemory>(runtime->device(), owner);
    return VectorObject::create(env, runtime, std::move(memory));
  });
}

Napi::Value NetworkHandle::zeros(Napi::Env env) const {
  return guarded(env, [&] {
    const auto owner = alive<Network>();
    const auto memory = std::make_shared<VectorMemory>(runtime->device(), owner->parameters().length());
    runtime->send([memory] { memory->device->fill(memory->data, 0, memory->length); });
    return VectorObject::create(env, runtime, memory);
  });
}

}  // namespace gradfold
