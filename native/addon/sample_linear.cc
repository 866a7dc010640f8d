#include "sample_linear.h"

#include <memory>
#include <utility>

#include "../engine/sample_linear.h"
#include "convert.h"
#include "guard.h"
#include "job.h"

namespace gradfold {
namespace {

std::vector<float> floats(const Napi::Value& value, const char* name) {
  const auto array = typed_array<float>(value, name);
  return {array.Data(), array.Data() + array.ElementLength()};
}

SampleLinearProblem problem_of(const Napi::Object& problem) {
  return {get_size(problem, "batch", 1),
          get_size(problem, "time", 1),
          get_size(problem, "inFeatures", 1),
          get_size(problem, "outFeatures", 1),
          floats(get(problem, "activations"), "activations"),
          floats(get(problem, "outputGradients"), "outputGradients")};
}

SampleLinearRequest request_of(const Napi::Object& request) {
  SampleLinearRequest result{doubles(get(request, "weights"), "weights"),
                             {},
                             get_flag(request, "gradient"),
                             get_flag(request, "norms"),
                             get_flag(request, "gram"),
                             get_flag(request, "gradients")};
  const auto dots = get(request, "dots").As<Napi::Array>();
  for (uint32_t k = 0; k < dots.Length(); ++k) result.vectors.push_back(floats(dots.Get(k), "dots"));
  return result;
}

Napi::Value object_of(Napi::Env env, const SampleLinearResult& result, const SampleLinearRequest& request,
                      size_t samples) {
  auto object = Napi::Object::New(env);
  if (request.norms) object.Set("norms", float64_array(env, result.norms));
  if (request.gram) object.Set("gram", float64_array(env, result.gram));
  if (request.gradients) object.Set("gradients", float32_array(env, result.gradients));
  if (request.gradient) object.Set("gradient", float32_array(env, result.gradient));
  auto dots = Napi::Array::New(env);
  for (size_t k = 0; k < request.vectors.size(); ++k) {
    dots.Set(static_cast<uint32_t>(k), float64_array(env, result.dots, k * samples, samples));
  }
  object.Set("dots", dots);
  return object;
}

}  // namespace

Napi::Value per_sample_linear(const Napi::CallbackInfo& info, Runtime& runtime) {
  return guarded(info.Env(), [&] {
    const auto problem = std::make_shared<SampleLinearProblem>(problem_of(info[0].As<Napi::Object>()));
    const auto request = std::make_shared<SampleLinearRequest>(request_of(info[1].As<Napi::Object>()));
    return enqueue(info.Env(), runtime, info[2],
                   [device = runtime.device(), problem, request](const StopFlag&) -> Result {
                     auto result = std::make_shared<SampleLinearResult>(sample_linear(*device, *problem, *request));
                     return [result, request, samples = size_t(problem->batch)](Napi::Env env) {
                       return object_of(env, *result, *request, samples);
                     };
                   });
  });
}

}  // namespace gradfold
