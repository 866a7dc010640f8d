// No C++ exception crosses Node-API except as a JavaScript error with a code.
#pragma once

#include <napi.h>

#include "convert.h"

namespace gradfold {

template <typename Body>
auto guarded(Napi::Env env, const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    throw current_exception_as_error(env);
  }
}

}  // namespace gradfold
