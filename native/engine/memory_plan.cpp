#include "memory_plan.h"

#include "planning_device.h"

namespace gradfold {

MemoryPlan plan_memory(const LanguageModel& model, const TokenBatch& batch, Operation operation,
                       const BackwardRequest& request) {
  PlanningDevice planning(model.device());
  LanguageModel planned(planning, model.config(), model.slots());
  check(operation != Operation::backward || static_cast<int64_t>(request.weights.size()) == batch.samples(),
        "one weight a sample");
  float* anywhere = planned.parameters().data();  // any address marks a vector as there
  switch (operation) {
    case Operation::loss:
      planned.loss(batch, nullptr);
      break;
    case Operation::logits:
      planned.logits(batch, nullptr, nullptr);
      break;
    case Operation::backward:
      planned.backward(batch, request, nullptr);
      break;
    case Operation::jvp:
      planned.jvp(batch, anywhere, nullptr);
      break;
    case Operation::hvp:
      planned.hvp(batch, anywhere, std::vector<double>(batch.samples(), 1.0), anywhere, nullptr);
      break;
  }
  const size_t parameters = static_cast<size_t>(planned.parameters().length()) * sizeof(float);
  return {parameters + planned.parameters().prepared_bytes(), planned.activation_bytes(),
          model.device().workspace_bytes()};
}

void reserve_memory(LanguageModel& model, const TokenBatch& batch, Operation operation,
                    const BackwardRequest& request) {
  // What memory grows with; a batch that is smaller in all of it needs no plan.
  const auto dots = static_cast<int64_t>(request.vectors.size());
  const bool gradients = !request.gradients.empty();
  const std::vector<int64_t> extent{batch.tokens(), batch.predictions(),      batch.samples(), batch.longest_segment,
                                    dots,           request.sketch.dimensions};
  const int kind = static_cast<int>(operation) * 8 + request.gram * 4 + request.norms * 2 + gradients;
  if (model.grows(kind, extent)) model.reserve(plan_memory(model, batch, operation, request).activations);
}

}  // namespace gradfold
