// Node-API glue of native/weight.
#pragma once

#include <napi.h>

namespace gradfold {

/// Adds softmaxWeights and softmaxWeightsBackward, and their …Async forms, to exports. Typed in lib/weight/native.ts.
void register_weight(Napi::Env env, Napi::Object exports);

}  // namespace gradfold
