// Attention's passes as a device calls them: compiled for each instruction set over float32 products, and once more
// over each kind of tiles for bfloat16 matrices.
#pragma once

#include "../kernels.h"

namespace gradfold {

struct AttentionTeam {
  int threads;
  void* const* scratch;  // [threads], each of the bytes that the pass asks for
};

/// Each pass with the bytes that a thread of it needs. A pass throws nothing. What they compute: kernels.h.
struct AttentionPasses {
  size_t (*forward_bytes)(const AttentionShape& shape);
  void (*forward)(const AttentionTeam& team, const AttentionShape& shape, ConstAnyMat qkv, AnyMat out, float* lse);
  size_t (*backward_bytes)(const AttentionShape& shape);
  void (*backward)(const AttentionTeam& team, const AttentionShape& shape, ConstAnyMat qkv, const float* lse,
                   ConstAnyMat dout, AnyMat dqkv);
};

#ifdef GRADFOLD_TILES
// Of bfloat16 matrices, with products over tiles.
namespace amx {  // needs has_amx()
extern const AttentionPasses attention_passes;
}
namespace avx512bf16 {  // needs has_avx512_bf16()
extern const AttentionPasses attention_passes;
}
#endif

}  // namespace gradfold
