#include "memory_plan.h"

#include "planning_device.h"

namespace gradfold {

namespace {
/// What kernels and the product library take for a thread: tiles of per-sample products, strips of attention scores,
/// packed panels.
constexpr size_t kScratchOfThread = size_t{4} << 20;
}  // namespace

MemoryPlan plan_memory(const Device& device, const TransformerConfig& config, const std::vector<Slot>& slots,
                       const PaddedBatch& batch, Operation operation, const BackwardRequest& request) {
  PlanningDevice planning(device);
  LanguageModel model(planning, config, slots);
  const TokenBatch tokens = model.tokens(batch);
  check(static_cast<int64_t>(request.weights.size()) == tokens.samples(), "one weight a sample");
  if (operation == Operation::loss) {
    model.loss(tokens, nullptr);
  } else if (operation == Operation::backward) {
    model.backward(tokens, request, nullptr);
  } else {
    // Any address marks the vectors as there.
    float* anywhere = model.parameters().data();
    model.hvp(tokens, anywhere, request.weights, anywhere, nullptr);
  }
  const size_t parameters = static_cast<size_t>(model.parameters().length()) * sizeof(float);
  return {parameters + model.parameters().prepared_bytes(), model.activation_bytes(),
          kScratchOfThread * static_cast<size_t>(device.threads())};
}

}  // namespace gradfold
