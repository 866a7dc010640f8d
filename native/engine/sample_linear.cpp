#include "sample_linear.h"

#include <cmath>

#include "arena.h"
#include "error.h"

namespace gradfold {
namespace {

template <typename T>
std::vector<T> download(Device& device, const T* memory, int64_t count) {
  std::vector<T> values(static_cast<size_t>(count));
  device.download(values.data(), memory, values.size() * sizeof(T));
  return values;
}

/// `count` zeros, or null where they are not wanted.
double* sums(Arena& arena, bool wanted, int64_t count) {
  return wanted ? arena.table(std::vector<double>(static_cast<size_t>(count), 0.0)) : nullptr;
}

float* zeros(Device& device, Arena& arena, bool wanted, int64_t count) {
  if (!wanted) return nullptr;
  float* memory = arena.take<float>(count);
  device.fill(memory, 0, count);
  return memory;
}

void check_shapes(const SampleLinearProblem& p, const SampleLinearRequest& r) {
  const int64_t tokens = p.batch * p.time;
  check(tokens <= INT32_MAX, "tokens numbered by int32");
  check(static_cast<int64_t>(p.activations.size()) == tokens * p.inputs, "activations [batch × time × inputs]");
  check(static_cast<int64_t>(p.output_gradients.size()) == tokens * p.outputs,
        "output gradients [batch × time × outputs]");
  check(static_cast<int64_t>(r.weights.size()) == p.batch, "one weight a sample");
  for (const auto& v : r.vectors) check(static_cast<int64_t>(v.size()) == p.outputs * p.inputs, "vectors as W");
}

}  // namespace

SampleLinearResult sample_linear(Device& device, const SampleLinearProblem& p, const SampleLinearRequest& r) {
  check_shapes(p, r);
  Arena arena(device);
  const int64_t tokens = p.batch * p.time, size = p.outputs * p.inputs;
  const auto vectors = static_cast<int64_t>(r.vectors.size());
  const ConstMat x(arena.table(p.activations), tokens, p.inputs, p.inputs);
  const ConstMat g(arena.table(p.output_gradients), tokens, p.outputs, p.outputs);

  std::vector<int32_t> begin;
  for (int64_t i = 0; i <= p.batch; ++i) begin.push_back(static_cast<int32_t>(i * p.time));
  SampleStatistics statistics{};
  statistics.samples = p.batch;
  statistics.begin = begin.data();
  statistics.weights = arena.table(std::vector<float>(r.weights.begin(), r.weights.end()));
  statistics.norms2 = sums(arena, r.norms, p.batch);
  statistics.vectors = vectors;
  statistics.dots = sums(arena, vectors > 0, vectors * p.batch);
  statistics.gram = sums(arena, r.gram, p.batch * p.batch);

  std::vector<const float*> directions;
  for (const auto& v : r.vectors) directions.push_back(arena.table(v));
  float* gradients = zeros(device, arena, r.gradients, p.batch * size);
  std::vector<float*> each;
  for (int64_t i = 0; r.gradients && i < p.batch; ++i) each.push_back(gradients + i * size);
  float* gradient = zeros(device, arena, r.gradient, size);
  device.sample_products(g, x, statistics, {gradient, directions.data(), r.gradients ? each.data() : nullptr});

  SampleLinearResult result;
  if (r.norms) {
    result.norms = download(device, statistics.norms2, p.batch);
    for (double& norm : result.norms) norm = std::sqrt(norm);
  }
  if (vectors > 0) result.dots = download(device, statistics.dots, vectors * p.batch);
  if (r.gram) result.gram = download(device, statistics.gram, p.batch * p.batch);
  if (r.gradients) result.gradients = download(device, gradients, p.batch * size);
  if (r.gradient) result.gradient = download(device, gradient, size);
  return result;
}

}  // namespace gradfold
