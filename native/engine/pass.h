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
  Mat tangent;         // data is null in a plain pass
  bool known = false;  // the value is there already (trace.h): who would write it does not
};

/// The same in the device's precision, or in float32: stored activations and operands of products.
struct AnyDual {
  AnyMat value;
  AnyMat tangent;
  bool known;
  AnyDual(const AnyMat& value_, const AnyMat& tangent_, bool known_ = false)
      : value(value_), tangent(tangent_), known(known_) {}
  AnyDual(const Dual& d) : value(d.value), tangent(d.tangent), known(d.known) {}
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

/// Where values are taken from, and whether they are there already.
struct Place {
  Arena* arena;
  bool known;
};

struct Pass {
  Pass(Device& device_, Arena& arena_, const TokenBatch& batch_, ParameterMemory& parameters_)
      : device(device_),
        arena(arena_),
        batch(batch_),
        parameters(parameters_),
        scratch{&arena_, false},
        activations(scratch),
        input_gradients(scratch) {}

  Device& device;
  Arena& arena;
  const TokenBatch& batch;
  ParameterMemory& parameters;
  const std::atomic<bool>* cancelled = nullptr;

  const float* tangent = nullptr;  // of the parameters: makes this a dual pass

  // A trace is a place of its own for what costs products: activations that a backward pass reads, and gradients that
  // come out of a linear layer.
  const Place scratch;
  Place activations, input_gradients;

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
  /// Whether values are kept in a trace or found there.
  bool traced() const { return activations.arena != &arena; }
  bool has_statistics() const {
    return statistics.norms2 || statistics.vectors > 0 || statistics.gram || !gradients.empty() ||
           sketch.dimensions > 0;
  }
  const float* value_of(const Weight& w) const { return parameters.data() + w.offset; }
  const float* tangent_of(const Weight& w) const { return tangent + w.offset; }
  ConstMat value_matrix(const Weight& w) const { return {value_of(w), w.rows, w.cols, w.cols}; }
  ConstMat tangent_matrix(const Weight& w) const { return {tangent_of(w), w.rows, w.cols, w.cols}; }

  /// Float32; the value at a place, the tangent always scratch.
  Dual take(int64_t rows, int64_t cols, const Place& place) {
    Dual taken{place.arena->matrix(rows, cols), {nullptr, rows, cols, cols}, place.known};
    if (dual()) taken.tangent = arena.matrix(rows, cols);
    return taken;
  }
  Dual take(int64_t rows, int64_t cols) { return take(rows, cols, scratch); }
  /// Float32, laid out as an operand of products: a block of logits becomes their gradient where it lies.
  Dual take_logits(int64_t rows, int64_t cols) {
    Dual taken{arena.operand(rows, cols), {nullptr, rows, cols, cols}};
    if (dual()) taken.tangent = arena.operand(rows, cols);
    return taken;
  }
  /// In the device's precision.
  AnyDual take_stored(int64_t rows, int64_t cols, const Place& place) {
    const Type type = device.precision();
    AnyDual taken{place.arena->operand(rows, cols, type), {nullptr, rows, cols, cols, type}, place.known};
    if (dual()) taken.tangent = arena.operand(rows, cols, type);
    return taken;
  }
  AnyDual take_stored(int64_t rows, int64_t cols) { return take_stored(rows, cols, scratch); }
  /// d, its value where a trace has that of the activation which it is to hold.
  Dual traced(Dual d) {
    if (!traced()) return d;
    d.value = activations.arena->matrix(d.value.rows, d.value.cols);
    d.known = activations.known;
    return d;
  }
  /// A matrix as an operand of products: itself, or its copy in the device's precision.
  ConstAnyMat stored(const ConstAnyMat& m) {
    if (m.type == device.precision()) return m;
    const AnyMat copy = arena.operand(m.rows, m.cols, device.precision());
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
    if (!to.known) device.copy(to.value.data, from.value.data, from.value.rows * from.value.cols);
    if (dual()) device.copy(to.tangent.data, from.tangent.data, from.value.rows * from.value.cols);
  }
  /// to += from
  void add(const Dual& from, const Dual& to) {
    device.axpy(to.value.data, 1, from.value.data, from.value.rows * from.value.cols);
    if (dual()) device.axpy(to.tangent.data, 1, from.tangent.data, from.value.rows * from.value.cols);
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
