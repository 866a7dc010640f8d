// Node-API glue of native/order.
#pragma once

#include <napi.h>

namespace gradfold {

/// Adds sortRows, sortRowsAsync and createRowSorter to exports, after the environment's data are there. Typed in
/// lib/order/native.ts.
void register_order(Napi::Env env, Napi::Object exports);

}  // namespace gradfold
