// The CPU addon: engines on this machine's processor, and what else runs on it.
#include "../kernels/cpu/open.h"
#include "convert.h"
#include "map_file.h"
#include "order.h"
#include "platform.h"
#include "weight.h"

namespace gradfold {

/// {threads, precision, isa?, gemm?}
std::unique_ptr<Device> open_device(const Napi::Object& options) {
  const auto name = [&](const char* key) {
    const Napi::Value value = options.Get(key);
    return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  };
  const std::string isa = name("isa"), gemm = name("gemm");
  const auto threads = static_cast<int>(get_size(options, "threads", 1, kMostThreads));
  return open_cpu_device(threads, precision_of(options), isa.empty() ? nullptr : isa.c_str(),
                         gemm.empty() ? nullptr : gemm.c_str());
}

void register_functions(Napi::Env env, Napi::Object exports) {
  register_map_file(env, exports);
  register_order(env, exports);
  register_weight(env, exports);
}

}  // namespace gradfold
