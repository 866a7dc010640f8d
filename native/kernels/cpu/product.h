// The matrix products that a CPU device can be built on: this project's own and a library's.
#pragma once

#include "../kernels.h"
#include "attention_passes.h"

namespace gradfold {

/// Rows and columns of a matrix, as a view.
inline ConstAnyMat block(const ConstAnyMat& m, int64_t row, int64_t rows, int64_t col, int64_t cols) {
  return {static_cast<const char*>(m.data) + (row * m.stride + col) * size_of(m.type), rows, cols, m.stride, m.type};
}

/// c = op(a) op(b) + beta c on the calling thread's share of the machine: outside a parallel region on
/// omp_get_max_threads() threads, inside one on a single thread. a and b are of one type; c is float32, or bfloat16
/// where they are. Sums are float32 throughout and round to bfloat16 once. beta is 0 (c is not read) or 1. Outside a
/// parallel region it throws std::bad_alloc when there is no memory to pack operands into; inside, where nobody could
/// catch that, it ends the process with a message.
using Product = void (*)(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);

/// A product under its name, with what it wants of weights.
struct ProductKind {
  const char* name;           // as Device::gemm() tells it
  Product product = nullptr;  // null: the portable one of the device's instruction set
  double cost = 1.0;          // time of a multiply-add of large operands, that of float32 vectors being 1
  // Weights laid out ahead for the right side of bfloat16 products, W and Wᵀ both; null: they are only converted.
  size_t (*packed_bytes)(int64_t rows, int64_t cols) = nullptr;
  void (*pack_weight)(ConstMat weight, void* packed) = nullptr;
  /// y = x op(W) + beta y for a weight [rows × cols]
  void (*packed_product)(ConstAnyMat x, const void* packed, int64_t rows, int64_t cols, bool transpose, AnyMat y,
                         float beta) = nullptr;
  const AttentionPasses* attention = nullptr;  // of bfloat16 matrices; null: those of the device's instruction set
};

namespace baseline {
void portable_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);
}
#ifndef GRADFOLD_BASELINE_ONLY
namespace avx512 {
void portable_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);
}
#endif

#ifdef GRADFOLD_ONEDNN
/// The product by oneDNN; bfloat16 needs a processor with AVX512-BF16 (has_avx512_bf16). Where the library refuses or
/// is out of memory the portable product steps in.
void onednn_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);

/// "oneDNN 2.6.3": the version that is loaded, which need not be the one compiled against.
const char* onednn_name();
#endif

#ifdef GRADFOLD_TILES
// bfloat16 products of operands laid out in tiles; float32 ones go to the best of the others.
namespace amx {  // needs has_amx()
void tile_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);
size_t packed_weight_bytes(int64_t rows, int64_t cols);
void pack_weight(ConstMat weight, void* packed);
void packed_weight_product(ConstAnyMat x, const void* packed, int64_t rows, int64_t cols, bool transpose, AnyMat y,
                           float beta);
/// float32 products as three or six of bfloat16: of the two or three bfloat16 parts that a number is cut into, those
/// products that matter to 16 bits or to all 24. Parts below 1e-38 count as zero.
void product_x3(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);
void product_x6(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);
}  // namespace amx
namespace avx512bf16 {  // needs has_avx512_bf16()
void tile_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);
}  // namespace avx512bf16
#endif

}  // namespace gradfold
