// Node-API glue of mapped files: tables whose bytes are read when they are touched.
#pragma once

#include <napi.h>

namespace gradfold {

/// Adds mapFile and adviseWillNeed to exports. Typed in lib/data/native.ts.
void register_map_file(Napi::Env env, Napi::Object exports);

}  // namespace gradfold
