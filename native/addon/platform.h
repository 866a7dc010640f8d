// What the addon of one kind of device has of its own; each addon is built with one of platform_*.cc.
#pragma once

#include <napi.h>

#include <memory>

#include "../kernels/kernels.h"

namespace gradfold {

/// The device that the options of an engine ask for. Throws std::invalid_argument, naming what there is.
std::unique_ptr<Device> open_device(const Napi::Object& options);

/// Adds the functions that need no engine.
void register_functions(Napi::Env env, Napi::Object exports);

}  // namespace gradfold
