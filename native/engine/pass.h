// One sweep over a batch: what is known (tables, parameters), what is wanted, and where scratch comes from. A layer
// asks the pass; it never branches on the caller.
#pragma once

#include <atomic>
#include <vector>

#include "../kernels/kernels.h"
#include "arena.h"
#include "batch.h"
#include "error.h"
#include "parameter_memory.h"
#include "parameters.h"

namespace gradfold {

/// A value and, in a dual pass, its directional derivative along the parameters' tangent; float32: the residual stream
/// and its gradient.
struct Dual {
  Mat value;
  Mat tangent;  // data is null in a plain pass
};

/// The same in the device's precision, or in float32: stored activations and operands of products.
struct AnyDual {
  AnyMat value;
  AnyMat tangent;
  AnyDual(const AnyMat& value_, const AnyMat& tangent_) : value(value_), tangent(tangent_) {}
  AnyDual(const Dual& d) : value(d.value), tangent(d.tangent) {}
};

/// How the tokens (or the predictions) of a batch divide into the samples of the statistics.
struct Ranges {
  std::vector<int32_t> begin;  // [samples + 1]
  const int32_t* begin_on_device;
  int64_t samples() const { return static_cast<int64_t>(begin.size()) - 1; }
};

/// Seeded random projections of the samples' gradients, summed over all weights: engine/sketch.h.
struct Sketch {
  int64_t dimensions = 0;  // 0: not wanted
  uint64_t seed = 0;
  Mat rows{};  // [samples × dimensions]
};

/// Rows of an embedding table that the tokens of a batch touch.
struct TableIndex {
  const int32_t* row = nullptr;  // [N]
  EmbeddingGroups groups{};
};

struct Pass {
  Pass(Device& device_, Arena& arena_, const TokenBatch& batch_, ParameterMemory& parameters_)
      : device(device_), arena(arena_), batch(batch_), parameters(parameters_) {}

  Device& device;
  Arena& arena;
  const TokenBatch& batch;
  ParameterMemory& parameters;
  const std::atomic<bool>* cancelled = nullptr;

  const float* tangent = nullptr;  // of the parameters: makes this a dual pass

  // Tables on the device.
  TableIndex tokens, positions, types;
  const int32_t* segments = nullptr;
  const int32_t* predicted = nullptr;
  const int32_t* labels = nullptr;
  const double* scale = nullptr;  // of each prediction's loss gradient

  // Backward: in a plain pass the parameter gradients with their statistics, in a dual pass the Hessian product.
  SampleStatistics statistics{};
  Sketch sketch;
  Ranges token_ranges, prediction_ranges;
  float* gradient = nullptr;
  std::vector<const float*> vectors;  // v_k, whole
  std::vector<float*> gradients;      // g_i, whole

  bool dual() const { return tangent != nullptr; }
  bool has_statistics() const {
    return statistics.norms2 || statistics.vectors > 0 || statistics.gram || !gradients.empty() ||
           sketch.dimensions > 0;
  }
  const float* value_of(const Weight& w) const { return parameters.data() + w.offset; }
  const float* tangent_of(const Weight& w) const { return tangent + w.offset; }
  ConstMat value_matrix(const Weight& w) const { return {value_of(w), w.rows, w.cols, w.cols}; }
  ConstMat tangent_matrix(const Weight& w) const { return {tangent_of(w), w.rows, w.cols, w.cols}; }

  /// Float32.
  Dual take(int64_t rows, int64_t cols) {
    Dual taken{arena.matrix(rows, cols), {nullptr, rows, cols, cols}};
    if (dual()) taken.tangent = arena.matrix(rows, cols);
    return taken;
  }
  /// In the device's precision.
  AnyDual take_stored(int64_t rows, int64_t cols) {
    const Type type = device.precision();
    AnyDual taken{arena.matrix(rows, cols, type), {nullptr, rows, cols, cols, type}};
    if (dual()) taken.tangent = arena.matrix(rows, cols, type);
    return taken;
  }
  /// A matrix as an operand of products: itself, or its copy in the device's precision.
  ConstAnyMat stored(const ConstAnyMat& m) {
    if (m.type == device.precision()) return m;
    const AnyMat copy = arena.matrix(m.rows, m.cols, device.precision());
    device.convert(m, copy);
    return copy;
  }
  AnyDual stored(const Dual& d) {
    if (device.precision() == Type::f32) return d;
    const AnyDual copy = take_stored(d.value.rows, d.value.cols);
    device.convert(d.value, copy.value);
    if (dual()) device.convert(d.tangent, copy.tangent);
    return copy;
  }
  void fill(const Dual& d, float value) {
    device.fill(d.value.data, value, d.value.rows * d.value.cols);
    if (dual()) device.fill(d.tangent.data, value, d.value.rows * d.value.cols);
  }
  void copy(const Dual& from, const Dual& to) {
    device.copy(to.value.data, from.value.data, from.value.rows * from.value.cols);
    if (dual()) device.copy(to.tangent.data, from.tangent.data, from.value.rows * from.value.cols);
  }

  SampleStatistics statistics_over(const Ranges& ranges) const {
    SampleStatistics s = statistics;
    s.samples = ranges.samples();
    s.begin = ranges.begin.data();
    return s;
  }

  void stop_if_cancelled() const {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) throw Cancelled();
  }
};

}  // namespace gradfold
