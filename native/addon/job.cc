#include "job.h"

#include <exception>
#include <utility>

#include "../engine/error.h"
#include "convert.h"

namespace gradfold {

Napi::Value enqueue(Napi::Env env, Runtime& runtime, const Napi::Value& stop_value,
                    std::function<Result(const StopFlag&)> job) {
  StopFlag stop = stop_value.IsExternal() ? *stop_value.As<Napi::External<StopFlag>>().Data()
                                          : std::make_shared<std::atomic<bool>>(false);
  auto deferred = Napi::Promise::Deferred::New(env);
  runtime.post(
      [deferred, stop, job = std::move(job)]() -> Settle {
        try {
          if (stop->load()) throw Cancelled();
          return [deferred, result = job(stop)](Napi::Env env) { deferred.Resolve(result(env)); };
        } catch (...) {
          return [deferred, failure = std::current_exception()](Napi::Env env) {
            deferred.Reject(exception_as_error(env, failure).Value());
          };
        }
      },
      stop);
  return deferred.Promise();
}

}  // namespace gradfold
