// A promise for work on the engine thread.
#pragma once

#include <napi.h>

#include "runtime.h"

namespace gradfold {

/// Makes a finished job's result, on the JavaScript thread.
using Result = std::function<Napi::Value(Napi::Env)>;

/// Queues a job on the engine thread and returns its promise. stop: the caller's flag (createStop), or undefined.
Napi::Value enqueue(Napi::Env env, Runtime& runtime, const Napi::Value& stop,
                    std::function<Result(const StopFlag&)> job);

}  // namespace gradfold
