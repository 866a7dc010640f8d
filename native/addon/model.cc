#include <utility>

#include "../engine/batch.h"
#include "../engine/error.h"
#include "../engine/memory_plan.h"
#include "guard.h"
#include "job.h"
#include "objects.h"

namespace gradfold {

namespace {

/// Of sketches; lib/model/language-model.ts explains.
constexpr int64_t kMostDimensions = int64_t{1} << 20;
/// Vectors of a memory plan, whose results are allocated.
constexpr int64_t kMostDots = int64_t{1} << 16;

std::vector<std::shared_ptr<VectorMemory>> vectors_of(const Napi::Value& value, const NetworkHandle& handle) {
  std::vector<std::shared_ptr<VectorMemory>> vectors;
  const auto array = value.As<Napi::Array>();
  for (uint32_t k = 0; k < array.Length(); k++) {
    vectors.push_back(handle.vector(array.Get(k)));
  }
  return vectors;
}

Operation operation_of(const std::string& name) {
  if (name == "loss") return Operation::loss;
  if (name == "jvp") return Operation::jvp;
  if (name == "hvp") return Operation::hvp;
  return Operation::backward;
}

/// Property `keep`: "jvp" or "hvp", the pass that a trace is for; nothing where it is not there.
Keep keep_of(const Napi::Object& options) {
  const auto keep = options.Get("keep");
  if (!keep.IsString()) return Keep::nothing;
  return keep.As<Napi::String>().Utf8Value() == "hvp" ? Keep::gradients : Keep::activations;
}

/// The plan of a dual pass over what a trace is of.
void reserve_traced(LanguageModel& model, const Trace::Of& of, Operation operation) {
  BackwardRequest request;
  request.weights = of.weights;
  request.keep = of.keep;
  reserve_memory(model, of.batch, operation, request);
}

}  // namespace

Napi::Function ModelObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeModel",
      {InstanceMethod<&ModelObject::parameters>("parameters"), InstanceMethod<&ModelObject::zeros>("zeros"),
       InstanceMethod<&ModelObject::loss>("loss"), InstanceMethod<&ModelObject::logits>("logits"),
       InstanceMethod<&ModelObject::backward>("backward"), InstanceMethod<&ModelObject::jvp>("jvp"),
       InstanceMethod<&ModelObject::hvp>("hvp"), InstanceMethod<&ModelObject::traced_jvp>("tracedJvp"),
       InstanceMethod<&ModelObject::traced_hvp>("tracedHvp"), InstanceMethod<&ModelObject::forget>("forget"),
       InstanceMethod<&ModelObject::memory>("memory"), InstanceMethod<&ModelObject::dispose>("dispose")});
}

ModelObject::ModelObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

Napi::Object ModelObject::create(Napi::Env env, NetworkHandle handle) {
  Napi::Object object = env.GetInstanceData<Environment>()->model.New({});
  ModelObject* self = Unwrap(object);
  self->handle_ = std::move(handle);
  self->handle_.account(env, 1);
  return object;
}

void ModelObject::Finalize(Napi::BasicEnv env) { handle_.account(env, -1); }

Napi::Value ModelObject::parameters(const Napi::CallbackInfo& info) { return handle_.parameters(info.Env()); }

Napi::Value ModelObject::zeros(const Napi::CallbackInfo& info) { return handle_.zeros(info.Env()); }

/// loss(batch, stop?) → Float64Array
Napi::Value ModelObject::loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = handle_.alive<LanguageModel>();
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    return enqueue(info.Env(), *handle_.runtime, info[1], [model, batch](const StopFlag& stop) -> Result {
      const TokenBatch tokens = model->tokens(batch->view());
      reserve_memory(*model, tokens, Operation::loss, {});
      auto losses = model->loss(tokens, stop.get());
      return [losses = std::move(losses)](Napi::Env env) { return float64_array(env, losses); };
    });
  });
}

/// logits(batch, stop?) → Float32Array [positions × vocabulary] of the positions that have a label, row by row
Napi::Value ModelObject::logits(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto model = handle_.alive<LanguageModel>();
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    return enqueue(info.Env(), *handle_.runtime, info[1], [model, batch](const StopFlag& stop) -> Result {
      const TokenBatch tokens(batch->view(), false);
      reserve_memory(*model, tokens, Operation::logits, {});
      std::vector<float> logits(static_cast<size_t>(tokens.predictions() * model->config().vocabulary));
      model->logits(tokens, logits.data(), stop.get());
      return [logits = std::move(logits)](Napi::Env env) { return float32_array(env, logits); };
    });
  });
}

/// backward(batch, {weights, into, dots, gradients, norms, gram, sketch?, keep?}, stop?); gradients: vectors to fill,
/// one a sample, or none; keep: the result has the number of a `trace`
Napi::Value ModelObject::backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    const auto options = info[1].As<Napi::Object>();
    const auto model = handle_.alive<LanguageModel>();
    auto vectors = vectors_of(get(options, "dots"), handle_);
    auto gradients = vectors_of(get(options, "gradients"), handle_);
    const auto into = options.Get("into");
    std::vector<std::shared_ptr<VectorMemory>> target;
    if (!into.IsUndefined()) target.push_back(handle_.vector(into));

    BackwardRequest request;
    request.weights = doubles(get(options, "weights"), "weights");
    request.norms = get_flag(options, "norms");
    request.gram = get_flag(options, "gram");
    request.keep = keep_of(options);
    if (const auto sketch = options.Get("sketch"); sketch.IsObject()) {
      request.sketch = {get_size(sketch.As<Napi::Object>(), "dimensions", 1, kMostDimensions),
                        static_cast<uint64_t>(get_size(sketch.As<Napi::Object>(), "seed", 0, kMostExact))};
    }
    if (!target.empty()) request.gradient = target[0]->data;
    for (const auto& v : vectors) request.vectors.push_back(v->data);
    for (const auto& g : gradients) request.gradients.push_back(g->data);

    return enqueue(
        info.Env(), *handle_.runtime, info[2],
        [model, batch, request = std::move(request), vectors = std::move(vectors), gradients = std::move(gradients),
         target = std::move(target)](const StopFlag& stop) -> Result {
          const TokenBatch tokens = model->tokens(batch->view());
          check(static_cast<int64_t>(request.weights.size()) == tokens.samples(), "one weight a sample");
          check(request.gradients.empty() || static_cast<int64_t>(request.gradients.size()) == tokens.samples(),
                "one gradient vector a sample");
          reserve_memory(*model, tokens, Operation::backward, request);
          auto result = model->backward(tokens, request, stop.get());
          return [result = std::move(result), norms = request.norms, gram = request.gram](Napi::Env env) {
            auto object = Napi::Object::New(env);
            const size_t samples = result.losses.size();
            object.Set("losses", float64_array(env, result.losses));
            if (norms) object.Set("norms", float64_array(env, result.norms));
            if (gram) object.Set("gram", float64_array(env, result.gram));
            if (result.trace > 0) object.Set("trace", static_cast<double>(result.trace));
            if (!result.sketch.empty()) object.Set("sketch", float32_array(env, result.sketch));
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

/// jvp(batch, v, stop?) → Float64Array of ⟨g_i, v⟩
Napi::Value ModelObject::jvp(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    const auto v = handle_.vector(info[1]);
    const auto model = handle_.alive<LanguageModel>();
    return enqueue(info.Env(), *handle_.runtime, info[2], [model, batch, v](const StopFlag& stop) -> Result {
      const TokenBatch tokens = model->tokens(batch->view());
      reserve_memory(*model, tokens, Operation::jvp, {});
      auto jvp = model->jvp(tokens, v->data, stop.get());
      return [jvp = std::move(jvp)](Napi::Env env) { return float64_array(env, jvp); };
    });
  });
}

/// hvp(batch, v, weights, sum, stop?) → Float64Array of ⟨g_i, v⟩; the product is added to sum
Napi::Value ModelObject::hvp(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto batch = std::make_shared<BatchCopy>(info[0].As<Napi::Object>());
    const auto v = handle_.vector(info[1]), sum = handle_.vector(info[3]);
    auto weights = doubles(info[2], "weights");
    const auto model = handle_.alive<LanguageModel>();
    check(v != sum, "the product is not added to its own vector");
    return enqueue(info.Env(), *handle_.runtime, info[4],
                   [model, batch, v, sum, weights = std::move(weights)](const StopFlag& stop) -> Result {
                     const TokenBatch tokens = model->tokens(batch->view());
                     check(static_cast<int64_t>(weights.size()) == tokens.samples(), "one weight a sample");
                     reserve_memory(*model, tokens, Operation::hvp, {});
                     auto result = model->hvp(tokens, v->data, weights, sum->data, stop.get());
                     return [jvp = std::move(result.jvp)](Napi::Env env) { return float64_array(env, jvp); };
                   });
  });
}

/// tracedJvp(trace, v, stop?): jvp of the batch of a trace
Napi::Value ModelObject::traced_jvp(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int64_t trace = integer_of(info[0], "trace", 1, kMostExact);
    const auto v = handle_.vector(info[1]);
    const auto model = handle_.alive<LanguageModel>();
    return enqueue(info.Env(), *handle_.runtime, info[2], [model, trace, v](const StopFlag& stop) -> Result {
      reserve_traced(*model, model->trace().of(trace), Operation::jvp);
      auto jvp = model->traced_jvp(trace, v->data, stop.get());
      return [jvp = std::move(jvp)](Napi::Env env) { return float64_array(env, jvp); };
    });
  });
}

/// tracedHvp(trace, v, sum, stop?): hvp of the batch of a trace with its weights
Napi::Value ModelObject::traced_hvp(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int64_t trace = integer_of(info[0], "trace", 1, kMostExact);
    const auto v = handle_.vector(info[1]), sum = handle_.vector(info[2]);
    const auto model = handle_.alive<LanguageModel>();
    check(v != sum, "the product is not added to its own vector");
    return enqueue(info.Env(), *handle_.runtime, info[3], [model, trace, v, sum](const StopFlag& stop) -> Result {
      reserve_traced(*model, model->trace().of(trace), Operation::hvp);
      auto result = model->traced_hvp(trace, v->data, sum->data, stop.get());
      return [jvp = std::move(result.jvp)](Napi::Env env) { return float64_array(env, jvp); };
    });
  });
}

/// forget(trace): its batch is let go, its memory waits for the next trace. No error where it is gone already.
void ModelObject::forget(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const int64_t trace = integer_of(info[0], "trace", 1, kMostExact);
    if (!handle_.network) return;
    const auto model = handle_.alive<LanguageModel>();
    try {
      handle_.runtime->send([model, trace] { model->trace().forget(trace); });
    } catch (const Error&) {
      // The backend was disposed, and the trace with it.
    }
  });
}

/// memory(batch, {operation, dots, gradient, gradients, norms, gram, sketch, keep?}) → {parameters, activations,
/// workspace} in bytes; operation: "loss", "backward", "jvp" or "hvp"; dots: how many; keep, of "jvp" and "hvp": that
/// there is a trace. Nothing is computed.
Napi::Value ModelObject::memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const BatchCopy batch(info[0].As<Napi::Object>());
    const auto options = info[1].As<Napi::Object>();
    const Operation operation = operation_of(get_string(options, "operation"));
    const auto model = handle_.alive<LanguageModel>();
    const auto samples = static_cast<size_t>(get_size(info[0].As<Napi::Object>(), "samples", 1));
    float* anywhere = model->parameters().data();  // marks a vector as wanted; never touched
    BackwardRequest request;
    request.weights.assign(samples, 1.0);
    request.norms = get_flag(options, "norms");
    request.gram = get_flag(options, "gram");
    request.vectors.assign(static_cast<size_t>(get_size(options, "dots", 0, kMostDots)), anywhere);
    if (get_flag(options, "gradient")) request.gradient = anywhere;
    if (get_flag(options, "gradients")) request.gradients.assign(samples, anywhere);
    request.sketch.dimensions = get_size(options, "sketch", 0, kMostDimensions);
    request.keep = keep_of(options);
    const MemoryPlan plan = plan_memory(*model, model->tokens(batch.view()), operation, request);
    auto object = Napi::Object::New(info.Env());
    object.Set("parameters", static_cast<double>(plan.parameters));
    object.Set("activations", static_cast<double>(plan.activations + plan.trace));
    object.Set("workspace", static_cast<double>(plan.workspace));
    return object;
  });
}

void ModelObject::dispose(const Napi::CallbackInfo& info) { handle_.dispose(info.Env()); }

}  // namespace gradfold
