// What this processor and its operating system can do.
#pragma once

namespace gradfold {

/// The instructions that the "avx512" kernels are compiled for.
bool has_avx512();

/// Dot products of bfloat16 pairs on 512-bit vectors.
bool has_avx512_bf16();

/// Matrix tiles of bfloat16, with the vector instructions that pack them. The first call asks the system for leave to
/// use tiles, for the whole process.
bool has_amx();

}  // namespace gradfold
