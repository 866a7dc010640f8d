#include <utility>

#include "../engine/batch.h"
#include "../engine/error.h"
#include "../engine/optimizer.h"
#include "guard.h"
#include "job.h"
#include "objects.h"

namespace gradfold {

namespace {

std::vector<std::shared_ptr<VectorMemory>> vectors_of(const Napi::Value& value, int64_t length) {
  std::vector<std::shared_ptr<VectorMemory>> vectors;
  const auto array = value.As<Napi::Array>();
  for (uint32_t k = 0; k < array.Length(); k++) {
    vectors.push_back(VectorObject::memory_of(array.Get(k)));
    check(vectors.back()->length == length, "vectors as long as the parameters");
  }
  return vectors;
}

}  // namespace

Napi::Function ModelObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeModel",
      {InstanceMethod<&ModelObject::parameters>("parameters"), InstanceMethod<&ModelObject::zeros>("zeros"),
       InstanceMethod<&ModelObject::loss>("loss"), InstanceMethod<&ModelObject::backward>("backward"),
       InstanceMethod<&ModelObject::hvp>("hvp"), InstanceMethod<&ModelObject::sgd_step>("sgdStep"),
       InstanceMethod<&ModelObject::adamw_step>("adamwStep"), InstanceMethod<&ModelObject::dispose>("dispose")});
}

ModelObject::ModelObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

Napi::Object ModelObject::create(Napi::Env env, std::shared_ptr<Runtime> runtime, std::shared_ptr<Decoder> decoder) {
  Napi::Object object = env.GetInstanceData<Environment>()->model.New({});
  ModelObject* self = Unwrap(object);
  self->runtime_ = std::move(runtime);
  self->decoder_ = std::move(decoder);
  return object;
}

const std::shared_ptr<Decoder>& ModelObject::decoder() const {
  if (!decoder_) throw Error("DISPOSED", "the model was disposed");
  return decoder_;
}

Napi::Value ModelObject::parameters(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return VectorObject::create(info.Env(), runtime_, std::make_shared<VectorMemory>(runtime_->device(), decoder()));
  });
}

Napi::Value ModelObject::zeros(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto memory = std::make_shared<VectorMemory>(runtime_->device(), decoder()->parameter_count());
    runtime_->send([memory] { memory->device->fill(memory->data, 0, memory->length); });
    return VectorObject::create(info.Env(), runtime_, memory);
  });
}

/// loss(batch, stop?) → Float64Array
Napi::Value ModelObject::loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    return enqueue(info.Env(), *runtime_, info[1], [model = decoder(), batch](const StopFlag& stop) -> Result {
      auto losses = model->loss(TokenBatch(batch->view()), stop.get());
      return [losses = std::move(losses)](Napi::Env env) { return float64_array(env, losses); };
    });
  });
}

/// backward(batch, {weights, into, dots, gradients, norms, gram}, stop?); gradients: vectors to fill, one a sample, or
/// none
Napi::Value ModelObject::backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    const auto options = info[1].As<Napi::Object>();
    const auto model = decoder();
    const int64_t length = model->parameter_count();
    auto vectors = vectors_of(get(options, "dots"), length);
    auto gradients = vectors_of(get(options, "gradients"), length);
    const auto into = options.Get("into");
    std::vector<std::shared_ptr<VectorMemory>> target;
    if (!into.IsUndefined()) target.push_back(VectorObject::memory_of(into));

    BackwardRequest request;
    request.weights = doubles(get(options, "weights"));
    request.norms = get_flag(options, "norms");
    request.gram = get_flag(options, "gram");
    if (!target.empty()) request.gradient = target[0]->data;
    for (const auto& v : vectors) request.vectors.push_back(v->data);
    for (const auto& g : gradients) request.gradients.push_back(g->data);

    return enqueue(
        info.Env(), *runtime_, info[2],
        [model, batch, request = std::move(request), vectors = std::move(vectors), gradients = std::move(gradients),
         target = std::move(target)](const StopFlag& stop) -> Result {
          const TokenBatch tokens(batch->view());
          check(static_cast<int64_t>(request.weights.size()) == tokens.samples(), "one weight a sample");
          check(request.gradients.empty() || static_cast<int64_t>(request.gradients.size()) == tokens.samples(),
                "one gradient vector a sample");
          auto result = model->backward(tokens, request, stop.get());
          return [result = std::move(result), norms = request.norms, gram = request.gram](Napi::Env env) {
            auto object = Napi::Object::New(env);
            const size_t samples = result.losses.size();
            object.Set("losses", float64_array(env, result.losses));
            if (norms) object.Set("norms", float64_array(env, result.norms));
            if (gram) object.Set("gram", float64_array(env, result.gram));
            auto dots = Napi::Array::New(env);
            for (size_t k = 0; samples && k < result.dots.size() / samples; k++) {
              dots.Set(static_cast<uint32_t>(k), float64_array(env, result.dots, k * samples, samples));
            }
            object.Set("dots", dots);
            return object;
          };
        });
  });
}

/// hvp(batch, v, weights, into, stop?) → Float64Array of ⟨g_i, v⟩
Napi::Value ModelObject::hvp(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    const auto v = VectorObject::memory_of(info[1]), into = VectorObject::memory_of(info[3]);
    auto weights = doubles(info[2]);
    const auto model = decoder();
    check(v->length == model->parameter_count() && into->length == v->length, "vectors as long as the parameters");
    check(v != into, "the product does not overwrite its vector");
    return enqueue(info.Env(), *runtime_, info[4],
                   [model, batch, v, into, weights = std::move(weights)](const StopFlag& stop) -> Result {
                     const TokenBatch tokens(batch->view());
                     check(static_cast<int64_t>(weights.size()) == tokens.samples(), "one weight a sample");
                     auto result = model->hvp(tokens, v->data, weights, into->data, stop.get());
                     return [jvp = std::move(result.jvp)](Napi::Env env) { return float64_array(env, jvp); };
                   });
  });
}

/// sgdStep(gradient, {lr, clipNorm}) → ‖g‖
Napi::Value ModelObject::sgd_step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto gradient = VectorObject::memory_of(info[0]);
    const auto options = info[1].As<Napi::Object>();
    const SgdStep step{get_number(options, "lr"), get_number(options, "clipNorm")};
    return enqueue(info.Env(), *runtime_, info[2], [model = decoder(), gradient, step](const StopFlag&) -> Result {
      const double norm =
          gradfold::sgd_step(*gradient->device, model->parameters(), gradient->data, step, model->parameter_count());
      return [norm](Napi::Env env) { return Napi::Number::New(env, norm); };
    });
  });
}

/// adamwStep(gradient, m, v, {lr, clipNorm, beta1, beta2, eps, weightDecay, step}) → ‖g‖
Napi::Value ModelObject::adamw_step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto gradient = VectorObject::memory_of(info[0]), m = VectorObject::memory_of(info[1]),
               v = VectorObject::memory_of(info[2]);
    const auto options = info[3].As<Napi::Object>();
    const AdamwStep step{get_number(options, "lr"),    get_number(options, "clipNorm"),
                         get_number(options, "beta1"), get_number(options, "beta2"),
                         get_number(options, "eps"),   get_number(options, "weightDecay"),
                         get_integer(options, "step")};
    return enqueue(info.Env(), *runtime_, info[4],
                   [model = decoder(), gradient, m, v, step](const StopFlag&) -> Result {
                     const double norm = gradfold::adamw_step(*gradient->device, model->parameters(), m->data, v->data,
                                                              gradient->data, step, model->parameter_count());
                     return [norm](Napi::Env env) { return Napi::Number::New(env, norm); };
                   });
  });
}

void ModelObject::dispose(const Napi::CallbackInfo&) { decoder_.reset(); }

}  // namespace gradfold
