// Node-API glue of native/engine/sample_linear.
#pragma once

#include <napi.h>

#include "runtime.h"

namespace gradfold {

/// perSampleLinear(problem, request, stop?) of an engine; typed in lib/backend/addon.ts. The arrays are copied before
/// the call returns.
Napi::Value per_sample_linear(const Napi::CallbackInfo& info, Runtime& runtime);

}  // namespace gradfold
