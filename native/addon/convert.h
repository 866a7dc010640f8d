// Between JavaScript values and the engine's. Argument checks here are invariants: lib/ explains errors to people.
#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "../engine/batch.h"
#include "../engine/config.h"
#include "../engine/parameters.h"

namespace gradfold {

/// A matrix with such sides has a number of bytes that does not overflow.
constexpr int64_t kMostOfSize = int64_t{1} << 30;
/// Integers that a JavaScript number holds exactly: offsets, seeds.
constexpr int64_t kMostExact = int64_t{1} << 53;
constexpr int64_t kMostThreads = 1024;

/// An integer in [least, most].
int64_t integer_of(const Napi::Value& value, const char* name, int64_t least, int64_t most);
/// A typed array of exactly this element type.
template <typename T>
Napi::TypedArrayOf<T> typed_array(const Napi::Value& value, const char* name);

/// Property of an object, which must be there.
Napi::Value get(const Napi::Object& object, const char* name);
/// Property that is an integer in [least, most].
int64_t get_size(const Napi::Object& object, const char* name, int64_t least = 0, int64_t most = kMostOfSize);
double get_number(const Napi::Object& object, const char* name);
bool get_flag(const Napi::Object& object, const char* name);

std::string get_string(const Napi::Object& object, const char* name);

/// TransformerShape of lib/model/shape.ts.
TransformerConfig transformer_config(const Napi::Object& shape);
Pooling pooling_of(const Napi::Object& shape);
/// Property `precision` of an engine's options.
Type precision_of(const Napi::Object& options);
/// [{role, offset, rows, cols, stream}, …]
std::vector<Slot> parameter_slots(const Napi::Array& slots);

/// A batch's arrays, copied so that the caller may reuse them at once.
struct BatchCopy {
  explicit BatchCopy(const Napi::Object& batch);
  PaddedBatch view() const;

  int64_t batch, time;
  bool sample_is_document;
  std::vector<int32_t> input_ids, labels, document_ids, token_types;
  std::vector<uint8_t> attention_mask;
};

std::vector<double> doubles(const Napi::Value& float64_array, const char* name);
Napi::Float64Array float64_array(Napi::Env env, const std::vector<double>& values, size_t offset, size_t count);
inline Napi::Float64Array float64_array(Napi::Env env, const std::vector<double>& values) {
  return float64_array(env, values, 0, values.size());
}

Napi::Float32Array float32_array(Napi::Env env, const std::vector<float>& values);

/// An Error with the engine's code, for lib/ to make a GradfoldError of. To be called while an exception is handled.
Napi::Error current_exception_as_error(Napi::Env env);
/// The same of an exception that another thread kept.
Napi::Error exception_as_error(Napi::Env env, const std::exception_ptr& exception);

}  // namespace gradfold
