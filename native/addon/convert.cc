#include "convert.h"

#include <new>
#include <stdexcept>

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

DecoderConfig decoder_config(const Napi::Object& shape) {
  DecoderConfig config;
  config.vocabulary = get_integer(shape, "vocabSize");
  config.hidden = get_integer(shape, "hiddenSize");
  config.intermediate = get_integer(shape, "intermediateSize");
  config.layers = get_integer(shape, "layers");
  config.heads = get_integer(shape, "heads");
  config.kv_heads = get_integer(shape, "kvHeads");
  config.head_dim = get_integer(shape, "headDim");
  config.norm_eps = get_number(shape, "normEps");
  config.tied_embeddings = get_flag(shape, "tiedEmbeddings");
  const Napi::Value window = get(shape, "slidingWindow");
  config.window = window.IsNull() ? 0 : window.As<Napi::Number>().Int64Value();
  config.inverse_frequencies = doubles(get(shape, "inverseFrequencies"));
  check(static_cast<int64_t>(config.inverse_frequencies.size()) * 2 == config.head_dim, "one frequency a rotary pair");
  return config;
}

Layout parameter_layout(const Napi::Array& slots) {
  Layout layout;
  for (uint32_t i = 0; i < slots.Length(); i++) {
    const auto slot = slots.Get(i).As<Napi::Object>();
    const auto extents = get(slot, "shape").As<Napi::Array>();
    std::vector<int64_t> shape;
    for (uint32_t k = 0; k < extents.Length(); k++) shape.push_back(extents.Get(k).As<Napi::Number>().Int64Value());
    layout.add(get(slot, "name").As<Napi::String>(), get_integer(slot, "offset"), std::move(shape));
  }
  return layout;
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
  sample_is_document = get(object, "granularity").As<Napi::String>().Utf8Value() == "document";
}

PaddedBatch BatchCopy::view() const {
  return {batch,
          time,
          input_ids.data(),
          labels.data(),
          attention_mask.data(),
          document_ids.empty() ? nullptr : document_ids.data(),
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
