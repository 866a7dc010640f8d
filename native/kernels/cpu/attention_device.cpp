// Attention on the CPU device: the passes of bfloat16 products where the device has such, else its instruction set's
// own.
#include "attention_passes.h"
#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

extern const AttentionPasses attention_passes;

const AttentionPasses& CpuDevice::passes_of(const AttentionShape& shape, Type type) const {
  return type == Type::bf16 && !shape.dual && kind_.attention != nullptr ? *kind_.attention : attention_passes;
}

AttentionTeam CpuDevice::team_with(size_t bytes) {
  for (int thread = 0; thread < threads_; ++thread) scratch(thread, bytes);
  return {threads_, scratch_};
}

void CpuDevice::attention(const AttentionShape& shape, ConstAnyMat qkv, AnyMat out, float* lse) {
  const AttentionPasses& passes = passes_of(shape, qkv.type);
  passes.forward(team_with(passes.forward_bytes(shape)), shape, qkv, out, lse);
}

void CpuDevice::attention_backward(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat /*out*/, const float* lse,
                                   ConstAnyMat dout, AnyMat dqkv) {
  const AttentionPasses& passes = passes_of(shape, qkv.type);
  passes.backward(team_with(passes.backward_bytes(shape)), shape, qkv, lse, dout, dqkv);
}

}  // namespace gradfold::GRADFOLD_ISA
