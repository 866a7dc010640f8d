// Node-API glue of order_device.h and weights_device.h: rows of the host's arrays on an engine's device.
#pragma once

#include <napi.h>

namespace gradfold {

/// Adds sortRows, measureSort, softmaxWeights and softmaxWeightsBackward to exports. Typed in
/// lib/backend/native/device-rows.ts.
void register_device_rows(Napi::Env env, Napi::Object exports);

}  // namespace gradfold
