// The products that the passes are compiled with: over tiles of bfloat16 where the compiler may use instructions for
// them, else in float32 vectors.
#pragma once

#if defined(__AVX512BF16__)
#include "tile_attention.h"
#else
#include "attention_operands.h"
#endif
