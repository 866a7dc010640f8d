// The portable matrix product: C = op(A) op(B) + beta C of float32 or bfloat16, for machines without a library's.
//
// Goto's scheme, without buffers shared between threads. Each thread owns a rectangle of C. For kBlockRows rows of it
// and kDepth of the inner dimension, op(A) is packed into panels of kTileRows rows that stay in the second-level cache;
// then slivers of op(B), kTileCols wide, are packed into the first-level cache one after another, and each meets all
// panels. A tile of C lives in registers for kDepth terms, so sums are float32 over at most kDepth terms and then over
// K / kDepth blocks, in an order that does not depend on the thread count. Packing turns bfloat16 into float32; a
// bfloat16 C is summed up in float32 blocks of its own, since it is rounded once.
#include <omp.h>
#include <string.h>

#include "cpu_device.h"
#include "grid.h"
#include "integers.h"
#include "product_workspace.h"
#include "simd.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

// Tile sizes that fill the register file: sums, one row of B vectors and one broadcast.
#if defined(__AVX512F__)
constexpr int64_t kTileRows = 12, kTileVectors = 2, kBlockRows = 384;
#else
constexpr int64_t kTileRows = 4, kTileVectors = 3, kBlockRows = 192;
#endif
constexpr int64_t kTileCols = kTileVectors * kLanes;
constexpr int64_t kDepth = 256;
/// Columns of a bfloat16 C that are summed up in float32 at a time.
constexpr int64_t kWideCols = 16 * kTileCols;
/// Multiplications below which a thread is not worth waking.
constexpr int64_t kWorkPerThread = 1 << 18;

/// One operand seen as `width` lines along C times `depth`: element (w, k), with w or k running through memory.
template <class T>
struct Operand {
  const T* data;
  int64_t stride;
  bool lines_adjacent;  // (w, k) at data[k * stride + w], else at data[w * stride + k]

  const T* at(int64_t w, int64_t k) const { return data + (lines_adjacent ? k * stride + w : w * stride + k); }
};

#ifdef __clang__
#define GRADFOLD_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define GRADFOLD_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, Index4{i, j, k, l})
#endif

typedef float Float4 __attribute__((vector_size(16)));
typedef uint32_t Bits4 __attribute__((vector_size(16)));
typedef uint16_t Half4 __attribute__((vector_size(8)));

inline Float4 load4(const float* from) {
  Float4 v;
  memcpy(&v, from, sizeof v);
  return v;
}

inline Float4 load4(const Bf16* from) {
  Half4 v;
  memcpy(&v, from, sizeof v);
  return reinterpret_cast<Float4>(__builtin_convertvector(v, Bits4) << 16);
}

/// to[j * to_stride + i] = from[i * from_stride + j] for i, j < 4
template <class T>
inline void transpose4(const T* from, int64_t from_stride, float* to, int64_t to_stride) {
  [[maybe_unused]] typedef int32_t Index4 __attribute__((vector_size(16)));
  const auto row = [&](int64_t i) { return load4(from + i * from_stride); };
  const auto put = [&](int64_t j, Float4 v) { memcpy(to + j * to_stride, &v, sizeof v); };
  const Float4 a = row(0), b = row(1), c = row(2), d = row(3);
  const Float4 ab_low = GRADFOLD_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = GRADFOLD_SHUFFLE(a, b, 2, 6, 3, 7);
  const Float4 cd_low = GRADFOLD_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = GRADFOLD_SHUFFLE(c, d, 2, 6, 3, 7);
  put(0, GRADFOLD_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5));
  put(1, GRADFOLD_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7));
  put(2, GRADFOLD_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5));
  put(3, GRADFOLD_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7));
}

/// to = from [count] as float32
inline void widen(const float* from, int64_t count, float* to) {
  memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}
inline void widen(const Bf16* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = to_float(from[i]);
}

/// out[k * kWidth + w] = operand (first + w, k0 + k) for w < count, k < depth; zero for count ≤ w < kWidth.
template <int64_t kWidth, class T>
void pack(const Operand<T>& operand, int64_t first, int64_t count, int64_t k0, int64_t depth, float* out) {
  if (count < kWidth) memset(out, 0, static_cast<size_t>(depth * kWidth) * sizeof(float));
  if (operand.lines_adjacent) {
    const T* from = operand.at(first, k0);
    if (count == kWidth)
      for (int64_t k = 0; k < depth; ++k) widen(from + k * operand.stride, kWidth, out + k * kWidth);
    else
      for (int64_t k = 0; k < depth; ++k) widen(from + k * operand.stride, count, out + k * kWidth);
    return;
  }
  const int64_t whole = depth / 4 * 4;
  int64_t w = 0;
  for (; w + 4 <= count; w += 4) {
    const T* from = operand.at(first + w, k0);
    for (int64_t k = 0; k < whole; k += 4) transpose4(from + k, operand.stride, out + k * kWidth + w, kWidth);
    for (int64_t k = whole; k < depth; ++k)
      for (int64_t u = 0; u < 4; ++u) out[k * kWidth + w + u] = to_float(from[u * operand.stride + k]);
  }
  for (; w < count; ++w) {
    const T* from = operand.at(first + w, k0);
    for (int64_t k = 0; k < depth; ++k) out[k * kWidth + w] = to_float(from[k]);
  }
}

/// c [kTileRows × kTileCols] = or += the product of a packed panel of A and a packed sliver of B.
void multiply_tile(int64_t depth, const float* a, const float* b, float* c, int64_t stride, bool accumulate) {
  Vec sums[kTileRows][kTileVectors] = {};
  for (int64_t k = 0; k < depth; ++k, a += kTileRows, b += kTileCols) {
    Vec bs[kTileVectors];
#pragma GCC unroll 8
    for (int64_t v = 0; v < kTileVectors; ++v) bs[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int64_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
      for (int64_t v = 0; v < kTileVectors; ++v) sums[r][v] += a[r] * bs[v];
  }
#pragma GCC unroll 16
  for (int64_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
    for (int64_t v = 0; v < kTileVectors; ++v) {
      float* to = c + r * stride + v * kLanes;
      store(to, accumulate ? load(to) + sums[r][v] : sums[r][v]);
    }
}

/// multiply_tile where only rows × cols of the tile lie inside C.
void multiply_edge(int64_t depth, const float* a, const float* b, float* c, int64_t stride, bool accumulate,
                   int64_t rows, int64_t cols) {
  float tile[kTileRows * kTileCols];
  multiply_tile(depth, a, b, tile, kTileCols, false);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < cols; ++j) {
      const float value = tile[r * kTileCols + j];
      c[r * stride + j] = accumulate ? c[r * stride + j] + value : value;
    }
}

/// Rows × cols of op(A) op(B); c stands at the rectangle's first number.
template <class T>
void multiply_rectangle(const Operand<T>& a, const Operand<T>& b, int64_t inner, float* c, int64_t stride,
                        bool accumulate, Range rows, Range cols, float* packed_a, float* packed_b) {
  for (int64_t i0 = rows.begin; i0 < rows.end; i0 += kBlockRows) {
    const int64_t i1 = least(i0 + kBlockRows, rows.end);
    for (int64_t k0 = 0; k0 < inner; k0 += kDepth) {
      const int64_t depth = least(kDepth, inner - k0);
      for (int64_t i = i0; i < i1; i += kTileRows)
        pack<kTileRows>(a, i, least(kTileRows, i1 - i), k0, depth, packed_a + (i - i0) * depth);
      for (int64_t j = cols.begin; j < cols.end; j += kTileCols) {
        const int64_t tile_cols = least(kTileCols, cols.end - j);
        pack<kTileCols>(b, j, tile_cols, k0, depth, packed_b);
        for (int64_t i = i0; i < i1; i += kTileRows) {
          const int64_t tile_rows = least(kTileRows, i1 - i);
          float* to = c + (i - rows.begin) * stride + (j - cols.begin);
          const float* panel = packed_a + (i - i0) * depth;
          if (tile_rows == kTileRows && tile_cols == kTileCols)
            multiply_tile(depth, panel, packed_b, to, stride, accumulate || k0 > 0);
          else
            multiply_edge(depth, panel, packed_b, to, stride, accumulate || k0 > 0, tile_rows, tile_cols);
        }
      }
    }
  }
}

/// The same into a bfloat16 C, by way of sums [kBlockRows × kWideCols].
template <class T>
void multiply_narrow(const Operand<T>& a, const Operand<T>& b, int64_t inner, Bf16* c, int64_t stride, bool accumulate,
                     Range rows, Range cols, float* packed_a, float* packed_b, float* sums) {
  for (int64_t i0 = rows.begin; i0 < rows.end; i0 += kBlockRows)
    for (int64_t j0 = cols.begin; j0 < cols.end; j0 += kWideCols) {
      const int64_t i1 = least(i0 + kBlockRows, rows.end), j1 = least(j0 + kWideCols, cols.end);
      Bf16* block = c + (i0 - rows.begin) * stride + (j0 - cols.begin);
      for (int64_t i = 0; accumulate && i < i1 - i0; ++i) widen(block + i * stride, j1 - j0, sums + i * kWideCols);
      multiply_rectangle(a, b, inner, sums, kWideCols, accumulate, {i0, i1}, {j0, j1}, packed_a, packed_b);
      for (int64_t i = 0; i < i1 - i0; ++i)
        for (int64_t j = 0; j < j1 - j0; ++j) block[i * stride + j] = from_float<Bf16>(sums[i * kWideCols + j]);
    }
}

}  // namespace

void portable_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  const int64_t inner = transpose_a ? a.rows : a.cols;
  const bool accumulate = beta != 0.0f;
  if (c.rows == 0 || c.cols == 0) return;
  char* const out = static_cast<char*>(c.data);
  if (inner == 0) {
    for (int64_t r = 0; !accumulate && r < c.rows; ++r)
      memset(out + r * c.stride * size_of(c.type), 0, static_cast<size_t>(c.cols * size_of(c.type)));
    return;
  }
  const int64_t worthwhile = 1 + c.rows * c.cols * inner / kWorkPerThread;
  const int64_t threads = omp_in_parallel() ? 1 : least(omp_get_max_threads(), worthwhile);
  const Grid grid = cut(c.rows, c.cols, kTileRows, kTileCols, threads);

  const int64_t depth = least(inner, kDepth);
  const int64_t size_a = ceil_div(least(grid.rows, kBlockRows) * depth, 16) * 16;
  const int64_t size_b = ceil_div(kTileCols * depth, 16) * 16;
  const int64_t size_sums = c.type == Type::bf16 ? least(grid.rows, kBlockRows) * kWideCols : 0;
  const int64_t rectangles = grid.down * grid.across;
  const size_t bytes = static_cast<size_t>(size_a + size_b + size_sums) * sizeof(float);
  bool enough = true;

#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(rectangles)) if (rectangles > 1)
  for (int64_t u = 0; u < rectangles; ++u) {
    float* packed_a = static_cast<float*>(product_workspace(bytes));
    if (packed_a == nullptr) {
#pragma omp atomic write
      enough = false;
      continue;
    }
    float* packed_b = packed_a + size_a;
    const int64_t i = u / grid.across * grid.rows, j = u % grid.across * grid.cols;
    const Range rows{i, least(i + grid.rows, c.rows)}, cols{j, least(j + grid.cols, c.cols)};
    char* const block = out + (i * c.stride + j) * size_of(c.type);
    with_type(a.type, [&](auto number) {
      using T = decltype(number);
      const Operand<T> left{static_cast<const T*>(a.data), a.stride, transpose_a};
      const Operand<T> right{static_cast<const T*>(b.data), b.stride, !transpose_b};
      if (c.type == Type::f32)
        multiply_rectangle(left, right, inner, reinterpret_cast<float*>(block), c.stride, accumulate, rows, cols,
                           packed_a, packed_b);
      else
        multiply_narrow(left, right, inner, reinterpret_cast<Bf16*>(block), c.stride, accumulate, rows, cols, packed_a,
                        packed_b, packed_b + size_b);
    });
  }
  if (!enough) refuse_product_workspace();
}

}  // namespace gradfold::GRADFOLD_ISA
