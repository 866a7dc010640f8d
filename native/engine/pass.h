// One sweep over a batch: what is known (tables, parameters), what is wanted, and where scratch comes from. A layer
// asks the pass; it never branches on the caller.
#pragma once

#include <atomic>
#include <vector>

#include "../kernels/kernels.h"
#include "arena.h"
#include "batch.h"
#include "error.h"
#include "parameters.h"

namespace gradfold {

/// A value and, in a dual pass, its directional derivative along the parameters' tangent.
struct Dual {
  Mat value;
  Mat tangent;  // data is null in a plain pass
};

/// How the tokens (or the predictions) of a batch divide into the samples of the statistics.
struct Ranges {
  std::vector<int32_t> begin;  // [samples + 1]
  const int32_t* begin_on_device;
  int64_t samples() const { return static_cast<int64_t>(begin.size()) - 1; }
};

struct Pass {
  Pass(Device& device_, Arena& arena_, const TokenBatch& batch_) : device(device_), arena(arena_), batch(batch_) {}

  Device& device;
  Arena& arena;
  const TokenBatch& batch;
  const std::atomic<bool>* cancelled = nullptr;

  const float* parameters = nullptr;
  const float* tangent = nullptr;  // of the parameters: makes this a dual pass

  // Tables on the device.
  const int32_t* ids = nullptr;
  const int32_t* positions = nullptr;
  const int32_t* segments = nullptr;
  const int32_t* predicted = nullptr;
  const int32_t* labels = nullptr;
  const double* scale = nullptr;  // of each prediction's loss gradient
  EmbeddingGroups groups{};

  // Backward: in a plain pass the parameter gradients with their statistics, in a dual pass the Hessian product.
  SampleStatistics statistics{};
  Ranges token_ranges, prediction_ranges;
  float* gradient = nullptr;
  std::vector<const float*> vectors;  // v_k, whole
  std::vector<float*> gradients;      // g_i, whole

  bool dual() const { return tangent != nullptr; }
  const float* value_of(const Weight& w) const { return parameters + w.offset; }
  const float* tangent_of(const Weight& w) const { return tangent + w.offset; }
  ConstMat value_matrix(const Weight& w) const { return {value_of(w), w.rows, w.cols, w.cols}; }
  ConstMat tangent_matrix(const Weight& w) const { return {tangent_of(w), w.rows, w.cols, w.cols}; }

  Dual take(int64_t rows, int64_t cols) {
    Dual taken{arena.matrix(rows, cols), {nullptr, rows, cols, cols}};
    if (dual()) taken.tangent = arena.matrix(rows, cols);
    return taken;
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

/// The pointers of a pass moved to one weight, alive as long as the kernel call.
class TargetOf {
 public:
  TargetOf(const Pass& pass, const Weight& w) {
    for (const float* v : pass.vectors) vectors_.push_back(v + w.offset);
    for (float* g : pass.gradients) gradients_.push_back(g + w.offset);
    target_ = {pass.gradient ? pass.gradient + w.offset : nullptr, vectors_.data(),
               gradients_.empty() ? nullptr : gradients_.data()};
  }
  operator const WeightTarget&() const { return target_; }

 private:
  std::vector<const float*> vectors_;
  std::vector<float*> gradients_;
  WeightTarget target_;
};

}  // namespace gradfold
