// The CUDA addon: engines on an NVIDIA GPU.
#include "../kernels/cuda/open.h"
#include "../kernels/cuda/runtime.h"
#include "convert.h"
#include "device_rows.h"
#include "guard.h"
#include "platform.h"

namespace gradfold {

namespace {

constexpr int64_t kMostDevices = 1 << 16;

/// machine() → {runtime, driver, devices: [{name, major, minor, multiprocessors, memory}], reason?}; numbers
/// of versions as CUDA has them (13000: 13.0), driver 0 where there is none; reason: why there are no devices.
Napi::Value machine(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const cuda::Machine found = cuda::find_machine();
    auto object = Napi::Object::New(info.Env());
    object.Set("runtime", found.runtime);
    object.Set("driver", found.driver);
    auto devices = Napi::Array::New(info.Env());
    for (const cuda::DeviceFacts& facts : found.devices) {
      auto device = Napi::Object::New(info.Env());
      device.Set("name", facts.name);
      device.Set("major", facts.major);
      device.Set("minor", facts.minor);
      device.Set("multiprocessors", facts.multiprocessors);
      device.Set("memory", static_cast<double>(facts.memory));
      devices.Set(devices.Length(), device);
    }
    object.Set("devices", devices);
    if (found.devices.empty()) object.Set("reason", found.reason);
    return object;
  });
}

}  // namespace

/// {device, precision}
std::unique_ptr<Device> open_device(const Napi::Object& options) {
  const auto device = static_cast<int>(get_size(options, "device", 0, kMostDevices));
  return open_cuda_device(device, precision_of(options));
}

void register_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("machine", Napi::Function::New<machine>(env));
  register_device_rows(env, exports);
}

}  // namespace gradfold
