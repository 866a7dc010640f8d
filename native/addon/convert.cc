#include "convert.h"

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <utility>

#include "../engine/error.h"
#include "../kernels/out_of_memory.h"

namespace gradfold {

Napi::Value get(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) throw Error("INVALID_ARGUMENT", std::string("native call: no property ") + name);
  return value;
}

int64_t integer_of(const Napi::Value& value, const char* name, int64_t least, int64_t most) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  // A comparison with NaN is false.
  if (number >= static_cast<double>(least) && number <= static_cast<double>(most) && std::trunc(number) == number) {
    return static_cast<int64_t>(number);
  }
  throw Error("INVALID_ARGUMENT", std::string("native call: ") + name + ": expected an integer in [" +
                                      std::to_string(least) + ", " + std::to_string(most) + "]");
}

namespace {

template <typename T>
constexpr napi_typedarray_type kArrayType = napi_int8_array;
template <>
constexpr napi_typedarray_type kArrayType<float> = napi_float32_array;
template <>
constexpr napi_typedarray_type kArrayType<double> = napi_float64_array;
template <>
constexpr napi_typedarray_type kArrayType<int32_t> = napi_int32_array;
template <>
constexpr napi_typedarray_type kArrayType<uint32_t> = napi_uint32_array;
template <>
constexpr napi_typedarray_type kArrayType<uint8_t> = napi_uint8_array;

}  // namespace

template <typename T>
Napi::TypedArrayOf<T> typed_array(const Napi::Value& value, const char* name) {
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == kArrayType<T>) {
    return value.As<Napi::TypedArrayOf<T>>();
  }
  throw Error("INVALID_ARGUMENT", std::string("native call: ") + name + ": expected a typed array of another type");
}

template Napi::TypedArrayOf<float> typed_array(const Napi::Value&, const char*);
template Napi::TypedArrayOf<double> typed_array(const Napi::Value&, const char*);
template Napi::TypedArrayOf<int32_t> typed_array(const Napi::Value&, const char*);
template Napi::TypedArrayOf<uint32_t> typed_array(const Napi::Value&, const char*);
template Napi::TypedArrayOf<uint8_t> typed_array(const Napi::Value&, const char*);

double get_number(const Napi::Object& object, const char* name) {
  return get(object, name).As<Napi::Number>().DoubleValue();
}

int64_t get_size(const Napi::Object& object, const char* name, int64_t least, int64_t most) {
  return integer_of(get(object, name), name, least, most);
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
  config.vocabulary = get_size(shape, "vocabSize");
  config.hidden = get_size(shape, "hiddenSize");
  config.intermediate = get_size(shape, "intermediateSize");
  config.layers = get_size(shape, "layers");
  config.heads = get_size(shape, "heads");
  config.kv_heads = get_size(shape, "kvHeads");
  config.head_dim = get_size(shape, "headDim");
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
  config.window = window.IsNull() ? 0 : integer_of(window, "slidingWindow", 1, kMostExact);
  config.inverse_frequencies = doubles(get(shape, "inverseFrequencies"), "inverseFrequencies");
  config.learned_positions = get_size(shape, "learnedPositions");
  config.token_types = get_size(shape, "tokenTypes");
  config.tied_embeddings = get_flag(shape, "tiedEmbeddings");
  check_config(config);
  return config;
}

Pooling pooling_of(const Napi::Object& shape) {
  return one_of<Pooling>(shape, "pooling",
                         {{"mean", Pooling::mean}, {"last", Pooling::last}, {"first", Pooling::first}});
}

Type precision_of(const Napi::Object& options) {
  return one_of<Type>(options, "precision", {{"f32", Type::f32}, {"bf16", Type::bf16}});
}

std::vector<Slot> parameter_slots(const Napi::Array& array) {
  std::vector<Slot> slots;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const auto slot = array.Get(i).As<Napi::Object>();
    slots.push_back({get_string(slot, "role"), get_size(slot, "offset", 0, kMostExact), get_size(slot, "rows", 1),
                     get_size(slot, "cols", 1), static_cast<uint64_t>(get_size(slot, "stream", 0, kMostExact))});
  }
  return slots;
}

namespace {
template <typename T>
std::vector<T> copied(const Napi::Object& object, const char* name, int64_t length) {
  const auto array = typed_array<T>(get(object, name), name);
  check(static_cast<int64_t>(array.ElementLength()) == length, name);
  return {array.Data(), array.Data() + length};
}
}  // namespace

BatchCopy::BatchCopy(const Napi::Object& object)
    : batch(get_size(object, "batch", 1)), time(get_size(object, "time", 1)) {
  const int64_t length = batch * time;
  check(length <= INT32_MAX, "positions of a batch numbered by int32");
  input_ids = copied<int32_t>(object, "inputIds", length);
  labels = copied<int32_t>(object, "labels", length);
  attention_mask = copied<uint8_t>(object, "attentionMask", length);
  if (!object.Get("documentIds").IsUndefined()) {
    document_ids = copied<int32_t>(object, "documentIds", length);
  }
  if (!object.Get("tokenTypeIds").IsUndefined()) {
    token_types = copied<int32_t>(object, "tokenTypeIds", length);
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

std::vector<double> doubles(const Napi::Value& value, const char* name) {
  const auto array = typed_array<double>(value, name);
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

namespace {
constexpr const char* kNoMemory =
    "the engine could not allocate the memory it needs; use a smaller batch or a shorter sequence";
}  // namespace

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
  } catch (const OutOfMemory& error) {
    Napi::Error refused = with_code("OUT_OF_MEMORY", error.what());
    refused.Set("asked", static_cast<double>(error.asked));
    refused.Set("free", static_cast<double>(error.free));
    refused.Set("total", static_cast<double>(error.total));
    return refused;
  } catch (const std::bad_alloc&) {
    return with_code("OUT_OF_MEMORY", kNoMemory);
  } catch (const std::length_error&) {  // a std::vector beyond any memory
    return with_code("OUT_OF_MEMORY", kNoMemory);
  } catch (const std::invalid_argument& error) {
    return with_code("INVALID_ARGUMENT", error.what());
  } catch (const std::exception& error) {
    return with_code("UNAVAILABLE", error.what());
  }
}

Napi::Error exception_as_error(Napi::Env env, const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (...) {
    return current_exception_as_error(env);
  }
}

}  // namespace gradfold
