#include "memory_plan.h"

#include "planning_device.h"

namespace gradfold {

MemoryPlan plan_memory(const LanguageModel& model, const TokenBatch& batch, Operation operation,
                       const BackwardRequest& request) {
  PlanningDevice planning(model.device());
  LanguageModel planned(planning, model.config(), model.slots(), model.recomputes());
  check(operation != Operation::backward || static_cast<int64_t>(request.weights.size()) == batch.samples(),
        "one weight a sample");
  float* anywhere = planned.parameters().data();  // any address marks a vector as there
  const bool traced = request.keep != Keep::nothing;
  const auto trace = [&] { return planned.backward(batch, request, nullptr).trace; };
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
      traced ? planned.traced_jvp(trace(), anywhere, nullptr) : planned.jvp(batch, anywhere, nullptr);
      break;
    case Operation::hvp:
      traced ? planned.traced_hvp(trace(), anywhere, anywhere, nullptr)
             : planned.hvp(batch, anywhere, std::vector<double>(batch.samples(), 1.0), anywhere, nullptr);
      break;
  }
  const size_t parameters = static_cast<size_t>(planned.parameters().length()) * sizeof(float);
  return {parameters + planned.parameters().prepared_bytes(), planned.activation_bytes(), planned.trace().peak(),
          model.device().workspace_bytes()};
}

void reserve_memory(LanguageModel& model, const TokenBatch& batch, Operation operation,
                    const BackwardRequest& request) {
  // What memory grows with; a batch that is smaller in all of it needs no plan.
  const auto dots = static_cast<int64_t>(request.vectors.size());
  const bool gradients = !request.gradients.empty();
  const std::vector<int64_t> extent{batch.tokens(), batch.predictions(),      batch.samples(), batch.longest_segment,
                                    dots,           request.sketch.dimensions};
  const int statistics = request.gram * 4 + request.norms * 2 + gradients;
  const int kind = (static_cast<int>(operation) * 3 + static_cast<int>(request.keep)) * 8 + statistics;
  if (!model.grows(kind, extent)) return;
  const MemoryPlan plan = plan_memory(model, batch, operation, request);
  model.reserve(plan.activations);
  if (operation == Operation::backward && request.keep != Keep::nothing) model.trace().forget();
  if (plan.trace > 0 && !model.trace().held()) model.trace().reserve(plan.trace);
}

}  // namespace gradfold
