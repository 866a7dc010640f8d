// The table of attention's passes over one kind of products.
#include "attention_passes.h"

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=amx, avx512bf16, avx512, avx2 or baseline"
#endif

namespace gradfold::GRADFOLD_ISA {

size_t attention_forward_bytes(const AttentionShape& shape);
void attention_forward(const AttentionTeam& team, const AttentionShape& shape, ConstAnyMat qkv, AnyMat out, float* lse);
size_t attention_backward_bytes(const AttentionShape& shape);
void attention_backward(const AttentionTeam& team, const AttentionShape& shape, ConstAnyMat qkv, const float* lse,
                        ConstAnyMat dout, AnyMat dqkv);

extern const AttentionPasses attention_passes{attention_forward_bytes, attention_forward, attention_backward_bytes,
                                              attention_backward};

}  // namespace gradfold::GRADFOLD_ISA
