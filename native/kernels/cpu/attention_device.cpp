// Attention on the CPU device: the passes of bfloat16 products where the device has such, else its instruction set's
// own.
#include "attention_passes.h"
#include "cpu_device.h"

namespace gradfold::GRADFOLD_ISA {

extern const AttentionPasses attention_passes;

const AttentionPasses& CpuDevice::passes_of(Type type) const {
  return type == Type::bf16 && kind_.attention != nullptr ? *kind_.attention : attention_passes;
}

AttentionTeam CpuDevice::team_with(size_t bytes) {
  for (int thread = 0; thread < threads_; ++thread) scratch(thread, bytes);
  return {threads_, scratch_};
}

void CpuDevice::attention(const AttentionShape& shape, ConstAnyMat qkv, AnyMat out, float* lse) {
  const AttentionPasses& passes = passes_of(qkv.type);
  passes.forward(team_with(passes.forward_bytes(shape)), shape, qkv, out, lse);
}

void CpuDevice::attention_backward(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat /*out*/, const float* lse,
                                   ConstAnyMat dout, AnyMat dqkv) {
  const AttentionPasses& passes = passes_of(qkv.type);
  passes.backward(team_with(passes.backward_bytes(shape)), shape, qkv, lse, dout, dqkv);
}

void CpuDevice::attention_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot, const float* lse,
                                  AnyMat out_dot) {
  const AttentionPasses& passes = passes_of(qkv.type);
  passes.tangent(team_with(passes.tangent_bytes(shape)), shape, qkv, qkv_dot, lse, out_dot);
}

void CpuDevice::attention_backward_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot,
                                           const float* lse, ConstAnyMat dout, ConstAnyMat dout_dot, AnyMat dqkv,
                                           AnyMat dqkv_dot) {
  const AttentionPasses& passes = passes_of(qkv.type);
  passes.backward_tangent(team_with(passes.backward_tangent_bytes(shape)), shape, qkv, qkv_dot, lse, dout, dout_dot,
                          dqkv, dqkv_dot);
}

}  // namespace gradfold::GRADFOLD_ISA
