#include "convert.h"

#include <initializer_list>
#include <new>
#include <stdexcept>
#include <utility>

#include "../engine/error.h"

namespace gradfold {

Napi::Value get(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) throw Error("INVALID_ARGUMENT", std::string("native call: no property ") + name);
  return value;
}

double get_number(const Napi::Object& object, const char* name) {
  return get(object, name).As<Napi::Number>().DoubleValue();
}

int64_t get_integer(const Napi::Object& object, const char* name) {
  return get(object, name).As<Napi::Number>().Int64Value();
}

bool get_flag(const Napi::Object& object, const char* name) { return object.Get(name).ToBoolean(); }

std::string get_string(const Napi::Object& object, const char* name) {
  return get(object, name).As<Napi::String>().Utf8Value();
}

namespace {

/// The value that a word of lib/ stands for.
template <typename T>
T one_of(const Napi::Object& object, const char* name, std::initializer_list<std::pair<const char*, T>> words) {
  const std::string word = get_string(object, name);
  for (const auto& [known, value] : words) {
    if (word == known) return value;
  }
  throw Error("INVALID_ARGUMENT", std::string("native call: ") + name + " is \"" + word + "\"");
}

}  // namespace

TransformerConfig transformer_config(const Napi::Object& shape) {
  TransformerConfig config{};
  config.vocabulary = get_integer(shape, "vocabSize");
  config.hidden = get_integer(shape, "hiddenSize");
  config.intermediate = get_integer(shape, "intermediateSize");
  config.layers = get_integer(shape, "layers");
  config.heads = get_integer(shape, "heads");
  config.kv_heads = get_integer(shape, "kvHeads");
  config.head_dim = get_integer(shape, "headDim");
  config.norm = one_of<NormKind>(shape, "norm", {{"rms", NormKind::rms}, {"layer", NormKind::layer}});
  config.norm_eps = get_number(shape, "normEps");
  config.placement =
      one_of<NormPlacement>(shape, "normPlacement", {{"pre", NormPlacement::before}, {"post", NormPlacement::after}});
  config.activation = one_of<ActivationKind>(
      shape, "activation",
      {{"swiglu", ActivationKind::swiglu}, {"gelu", ActivationKind::gelu}, {"gelu_new", ActivationKind::gelu_tanh}});
  config.input_major = get_flag(shape, "inputMajor");
  config.objective = one_of<Objective>(
      shape, "objective", {{"next-token", Objective::next_token}, {"masked-token", Objective::masked_token}});
  config.causal = get_flag(shape, "causal");
  const Napi::Value window = get(shape, "slidingWindow");
  config.window = window.IsNull() ? 0 : window.As<Napi::Number>().Int64Value();
  config.inverse_frequencies = doubles(get(shape, "inverseFrequencies"));
  const auto pairs = static_cast<int64_t>(config.inverse_frequencies.size());
  check(pairs == 0 || 2 * pairs == config.head_dim, "one frequency a rotary pair");
  config.learned_positions = get_integer(shape, "learnedPositions");
  config.token_types = get_integer(shape, "tokenTypes");
  config.tied_embeddings = get_flag(shape, "tiedEmbeddings");
  return config;
}

Pooling pooling_of(const Napi::Object& shape) {
  return one_of<Pooling>(shape, "pooling",
                         {{"mean", Pooling::mean}, {"last", Pooling::last}, {"first", Pooling::first}});
}

std::vector<Slot> parameter_slots(const Napi::Array& array) {
  std::vector<Slot> slots;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const auto slot = array.Get(i).As<Napi::Object>();
    slots.push_back({get_string(slot, "role"), get_integer(slot, "offset"), get_integer(slot, "rows"),
                     get_integer(slot, "cols"), static_cast<uint64_t>(get_integer(slot, "stream"))});
  }
  return slots;
}

namespace {
template <typename Array, typename T>
std::vector<T> copied(const Napi::Object& object, const char* name, int64_t length) {
  const auto array = get(object, name).As<Array>();
  check(static_cast<int64_t>(array.ElementLength()) == length, name);
  return {array.Data(), array.Data() + length};
}
}  // namespace

BatchCopy::BatchCopy(const Napi::Object& object)
    : batch(get_integer(object, "batch")), time(get_integer(object, "time")) {
  const int64_t length = batch * time;
  input_ids = copied<Napi::Int32Array, int32_t>(object, "inputIds", length);
  labels = copied<Napi::Int32Array, int32_t>(object, "labels", length);
  attention_mask = copied<Napi::Uint8Array, uint8_t>(object, "attentionMask", length);
  if (!object.Get("documentIds").IsUndefined()) {
    document_ids = copied<Napi::Int32Array, int32_t>(object, "documentIds", length);
  }
  if (!object.Get("tokenTypeIds").IsUndefined()) {
    token_types = copied<Napi::Int32Array, int32_t>(object, "tokenTypeIds", length);
  }
  sample_is_document = get(object, "granularity").As<Napi::String>().Utf8Value() == "document";
}

PaddedBatch BatchCopy::view() const {
  return {batch,
          time,
          input_ids.data(),
          labels.data(),
          attention_mask.data(),
          document_ids.empty() ? nullptr : document_ids.data(),
          token_types.empty() ? nullptr : token_types.data(),
          sample_is_document};
}

std::vector<double> doubles(const Napi::Value& value) {
  const auto array = value.As<Napi::Float64Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

Napi::Float64Array float64_array(Napi::Env env, const std::vector<double>& values, size_t offset, size_t count) {
  auto array = Napi::Float64Array::New(env, count);
  std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(offset), count, array.Data());
  return array;
}

Napi::Float32Array float32_array(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Error current_exception_as_error(Napi::Env env) {
  const auto with_code = [env](const char* code, const std::string& message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
  };
  try {
    throw;
  } catch (const Napi::Error& error) {
    return error;
  } catch (const Error& error) {
    return with_code(error.code(), error.what());
  } catch (const Cancelled&) {
    return with_code("CANCELLED", "cancelled");
  } catch (const std::bad_alloc&) {
    return with_code("OUT_OF_MEMORY",
                     "the engine could not allocate the memory it needs; use a smaller batch or a shorter sequence");
  } catch (const std::invalid_argument& error) {
    return with_code("INVALID_ARGUMENT", error.what());
  } catch (const std::exception& error) {
    return with_code("UNAVAILABLE", error.what());
  }
}

}  // namespace gradfold
