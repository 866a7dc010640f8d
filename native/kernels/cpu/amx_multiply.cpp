// Why not the library's: over the products of a training step (256 to 32000 wide, one thread of a processor with AMX,
// median processor time) this ran at 0.95 to 1.7 times the rate of oneDNN 2.6.3's matmul primitive, at 1.0 to 1.8 times
// with weights packed ahead, and at 1.75 to 1.95 times on the tiles of about 64 × 512 × 64 that are multiplied inside a
// team, where every call must look its primitive up.
//
// Each thread owns a rectangle of C. For a block of its columns and a run of the inner dimension the right operand is
// packed into panels of 32 lines (or was, for a weight) that stay in the second-level cache; 32 rows of the left
// operand at a time, read where they lie unless they are columns, meet all panels from the first-level cache. Eight
// tiles hold 2 × 2 sums, two of the left and two of the right operand: one load a multiplication, the least that eight
// allow. Sums are float32 in an order that depends on the shapes and types, not on threads.
#include "amx_multiply.h"

#include <omp.h>
#include <string.h>

#include "grid.h"
#include "product_workspace.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Longest run of the inner dimension between two visits to C: shorter where the right operand is packed on the way and
/// the sums stand in C itself.
constexpr int64_t kDepth = 512, kLongDepth = 1024;
/// A block of the right operand stays in the second-level cache while all rows meet it, and so do sums that are visited
/// more than once, in blocks of at most kNarrowCols columns where the right operand is packed for each.
constexpr int64_t kRightBytes = 1 << 20, kSumBytes = 512 << 10, kNarrowCols = 256;
/// Multiplications below which a thread is not worth waking.
constexpr int64_t kWorkPerThread = 1 << 22;

/// Eight full tiles. Other code on the thread configures tiles of its own (oneDNN does), so every product does it anew,
/// and leaves none behind.
class TileConfiguration {
 public:
  TileConfiguration() {
    alignas(64) uint8_t configuration[64] = {1};  // palette 1
    for (int tile = 0; tile < 8; ++tile) {
      const uint16_t row_bytes = 64;
      memcpy(configuration + 16 + 2 * tile, &row_bytes, sizeof row_bytes);
      configuration[48 + tile] = 16;  // rows
    }
    _tile_loadconfig(configuration);
  }
  ~TileConfiguration() { _tile_release(); }
  TileConfiguration(const TileConfiguration&) = delete;
  TileConfiguration& operator=(const TileConfiguration&) = delete;
};

/// Up to 32 lines of the left operand for one run of the inner dimension: `steps` pairs of tiles where they lie, then
/// one packed pair where the run does not end with a step.
struct Left {
  const char* data;
  int64_t row_bytes, second_bytes, step_bytes, steps;
  const char* rest;
};

/// Sums [32 × 32] or a part: to = from (or zero) + the left times one panel of the right. kTall, kWide: more than one
/// tile high, wide.
template <bool kTall, bool kWide>
void multiply_tiles(const Left& a, const char* b, const float* from, float* to, int64_t stride) {
  const int64_t sum_bytes = stride * static_cast<int64_t>(sizeof(float));
  if (from != nullptr) {
    _tile_loadd(0, from, sum_bytes);
    if constexpr (kWide) _tile_loadd(1, from + 16, sum_bytes);
    if constexpr (kTall) _tile_loadd(2, from + 16 * stride, sum_bytes);
    if constexpr (kTall && kWide) _tile_loadd(3, from + 16 * stride + 16, sum_bytes);
  } else {
    _tile_zero(0);
    if constexpr (kWide) _tile_zero(1);
    if constexpr (kTall) _tile_zero(2);
    if constexpr (kTall && kWide) _tile_zero(3);
  }
  const auto step = [](const char* left, int64_t row_bytes, int64_t second_bytes, const char* right) {
    _tile_loadd(4, left, row_bytes);
    _tile_loadd(6, right, 64);
    if constexpr (kWide) _tile_loadd(7, right + kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kWide) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kTall) _tile_loadd(5, left + second_bytes, row_bytes);
    if constexpr (kTall) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kTall && kWide) _tile_dpbf16ps(3, 5, 7);
  };
  const char* left = a.data;
  for (int64_t s = 0; s < a.steps; ++s, left += a.step_bytes, b += kPairBytes)
    step(left, a.row_bytes, a.second_bytes, b);
  if (a.rest != nullptr) step(a.rest, 64, kTileBytes, b);
  _tile_stored(0, to, sum_bytes);
  if constexpr (kWide) _tile_stored(1, to + 16, sum_bytes);
  if constexpr (kTall) _tile_stored(2, to + 16 * stride, sum_bytes);
  if constexpr (kTall && kWide) _tile_stored(3, to + 16 * stride + 16, sum_bytes);
}

void multiply_tiles(const Left& a, const char* b, const float* from, float* to, int64_t stride, int64_t rows,
                    int64_t cols) {
  const bool tall = rows > kTileLines, wide = cols > kTileLines;
  if (tall)
    wide ? multiply_tiles<true, true>(a, b, from, to, stride) : multiply_tiles<true, false>(a, b, from, to, stride);
  else
    wide ? multiply_tiles<false, true>(a, b, from, to, stride) : multiply_tiles<false, false>(a, b, from, to, stride);
}

/// to [rows × cols] = sums, in the type of C; and back.
void put(const float* sums, int64_t sums_stride, const AnyMat& c, int64_t row, int64_t col, int64_t rows,
         int64_t cols) {
  for (int64_t r = 0; r < rows; ++r, sums += sums_stride)
    for (int64_t j = 0; j < cols; j += 16) {
      const __mmask16 mask = first_of_16(cols - j);
      const __m512 value = _mm512_loadu_ps(sums + j);
      const int64_t at = (row + r) * c.stride + col + j;
      if (c.type == Type::f32)
        _mm512_mask_storeu_ps(static_cast<float*>(c.data) + at, mask, value);
      else
        _mm256_mask_storeu_epi16(static_cast<Bf16*>(c.data) + at, mask,
                                 reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
    }
}

void take(const AnyMat& c, int64_t row, int64_t col, int64_t rows, int64_t cols, float* sums, int64_t sums_stride) {
  for (int64_t r = 0; r < rows; ++r, sums += sums_stride)
    for (int64_t j = 0; j < cols; j += 16) {
      const __mmask16 mask = first_of_16(cols - j);
      const int64_t at = (row + r) * c.stride + col + j;
      _mm512_storeu_ps(
          sums + j,
          c.type == Type::f32
              ? _mm512_maskz_loadu_ps(mask, static_cast<const float*>(c.data) + at)
              : _mm512_castsi512_ps(_mm512_slli_epi32(
                    _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, static_cast<const Bf16*>(c.data) + at)), 16)));
    }
}

/// Sizes of a thread's blocks, and where they lie in its workspace.
struct Blocks {
  int64_t depth, rows, cols;  // multiples of a step, a panel, a panel (or all there is)
  int64_t left_bytes, right_bytes, sum_bytes;

  int64_t bytes() const { return left_bytes + right_bytes + sum_bytes; }
};

/// For rectangles of at most rows × cols of c.
Blocks blocks_of(const AnyMat& c, int64_t rows, int64_t cols, int64_t inner, bool packed) {
  Blocks blocks{};
  const bool direct = c.type == Type::f32 && c.rows % kTileLines == 0 && c.cols % kTileLines == 0;
  const int64_t runs = ceil_div(inner, direct && !packed ? kDepth : kLongDepth);
  blocks.depth = ceil_div(ceil_div(inner, runs), kStep) * kStep;
  const int64_t padded_rows = ceil_div(rows, kPanelLines) * kPanelLines;
  const int64_t padded_cols = ceil_div(cols, kPanelLines) * kPanelLines;
  const int64_t panel_bytes = blocks.depth / kStep * kPairBytes;
  blocks.cols = least(kRightBytes / panel_bytes * kPanelLines, padded_cols);
  blocks.rows = padded_rows;
  if (runs > 1 && !(direct && !packed)) {
    if (!packed) blocks.cols = least(blocks.cols, kNarrowCols);
    const int64_t sum_rows = kSumBytes / static_cast<int64_t>(sizeof(float)) / blocks.cols;
    blocks.rows = least(sum_rows / kPanelLines * kPanelLines, padded_rows);
  }
  blocks.left_bytes = panel_bytes;
  blocks.right_bytes = packed ? 0 : panel_bytes * (blocks.cols / kPanelLines);
  const int64_t sums = direct ? 0 : runs == 1 ? kPanelLines * kPanelLines : blocks.rows * blocks.cols;
  blocks.sum_bytes = sums * static_cast<int64_t>(sizeof(float));
  return blocks;
}

class Rectangle {
 public:
  Rectangle(const Lines<Bf16>& a, const Right& b, int64_t inner, const AnyMat& c, bool accumulate, const Blocks& blocks,
            char* workspace)
      : a_(a),
        b_(b),
        inner_(inner),
        c_(c),
        accumulate_(accumulate),
        blocks_(blocks),
        packed_left_(workspace),
        packed_right_(packed_left_ + blocks.left_bytes),
        sums_(reinterpret_cast<float*>(packed_right_ + blocks.right_bytes)) {}

  void run(Range rows, Range cols) {
    const TileConfiguration configured;
    for (int64_t j = cols.begin; j < cols.end; j += blocks_.cols)
      for (int64_t i = rows.begin; i < rows.end; i += blocks_.rows)
        for (int64_t k = 0; k < inner_; k += blocks_.depth)
          add_block({i, least(i + blocks_.rows, rows.end)}, {j, least(j + blocks_.cols, cols.end)}, k,
                    least(blocks_.depth, inner_ - k));
  }

 private:
  /// What one run of the inner dimension adds to a block of C.
  void add_block(Range rows, Range cols, int64_t k0, int64_t depth) {
    const int64_t steps = ceil_div(depth, kStep);
    int64_t panel_bytes = steps * kPairBytes;
    const char* right = packed_right_;
    if (b_.packed != nullptr) {
      panel_bytes = b_.panel_bytes;
      right = b_.packed + cols.begin / kPanelLines * panel_bytes + k0 / kStep * kPairBytes;
    } else {
      for (int64_t j = cols.begin; j < cols.end; j += kPanelLines)
        pack_panel<Side::right>(b_.lines, j, least(kPanelLines, cols.end - j), k0, depth,
                                packed_right_ + (j - cols.begin) / kPanelLines * panel_bytes);
    }
    for (int64_t i = rows.begin; i < rows.end; i += kPanelLines) {
      const int64_t tall = least(kPanelLines, rows.end - i);
      const Left left = left_of(i, tall, k0, depth);
      for (int64_t j = cols.begin; j < cols.end; j += kPanelLines)
        add_tiles(left, right + (j - cols.begin) / kPanelLines * panel_bytes, i, j, tall,
                  least(kPanelLines, cols.end - j), i - rows.begin, j - cols.begin, k0 == 0, k0 + depth == inner_);
    }
  }

  Left left_of(int64_t first, int64_t lines, int64_t k0, int64_t depth) {
    const bool whole_lines = lines == kTileLines || lines == kPanelLines;
    if (a_.columns || !whole_lines) {
      pack_panel<Side::left>(a_, first, lines, k0, depth, packed_left_);
      return {packed_left_, 64, kTileBytes, kPairBytes, ceil_div(depth, kStep), nullptr};
    }
    const int64_t row_bytes = a_.stride * static_cast<int64_t>(sizeof(Bf16)), rest = depth % kStep;
    if (rest > 0) pack_panel<Side::left>(a_, first, lines, k0 + depth - rest, rest, packed_left_);
    return {reinterpret_cast<const char*>(a_.data + first * a_.stride + k0),
            row_bytes,
            kTileLines * row_bytes,
            64,
            depth / kStep,
            rest > 0 ? packed_left_ : nullptr};
  }

  /// Sums of float32 in whole tiles go straight into C; others by way of sums_.
  void add_tiles(const Left& left, const char* panel, int64_t i, int64_t j, int64_t tall, int64_t wide, int64_t row,
                 int64_t col, bool first, bool last) {
    const bool whole = tall % kTileLines == 0 && wide % kTileLines == 0;
    if (c_.type == Type::f32 && whole) {
      float* to = static_cast<float*>(c_.data) + i * c_.stride + j;
      return multiply_tiles(left, panel, first && !accumulate_ ? nullptr : to, to, c_.stride, tall, wide);
    }
    const bool once = first && last;
    const int64_t stride = once ? kPanelLines : blocks_.cols;
    float* sums = once ? sums_ : sums_ + row * stride + col;
    if (first && accumulate_) take(c_, i, j, tall, wide, sums, stride);
    multiply_tiles(left, panel, first && !accumulate_ ? nullptr : sums, sums, stride, tall, wide);
    if (last) put(sums, stride, c_, i, j, tall, wide);
  }

  Lines<Bf16> a_;
  Right b_;
  int64_t inner_;
  AnyMat c_;
  bool accumulate_;
  Blocks blocks_;
  char* packed_left_;
  char* packed_right_;
  float* sums_;
};

}  // namespace

bool multiply(const Lines<Bf16>& a, const Right& b, int64_t inner, const AnyMat& c, bool accumulate) noexcept {
  if (c.rows == 0 || c.cols == 0) return true;
  if (inner == 0) {
    for (int64_t r = 0; !accumulate && r < c.rows; ++r)
      memset(static_cast<char*>(c.data) + r * c.stride * size_of(c.type), 0,
             static_cast<size_t>(c.cols * size_of(c.type)));
    return true;
  }
  const int64_t worthwhile = 1 + c.rows * c.cols * inner / kWorkPerThread;
  const int64_t threads = omp_in_parallel() ? 1 : least(omp_get_max_threads(), worthwhile);
  const Grid grid = cut(c.rows, c.cols, kPanelLines, kPanelLines, threads);
  const Blocks blocks = blocks_of(c, least(grid.rows, c.rows), least(grid.cols, c.cols), inner, b.packed != nullptr);
  const int64_t rectangles = grid.down * grid.across;
  bool enough = true;
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(rectangles)) if (rectangles > 1)
  for (int64_t u = 0; u < rectangles; ++u) {
    char* workspace = static_cast<char*>(product_workspace(static_cast<size_t>(blocks.bytes())));
    if (workspace == nullptr) {
#pragma omp atomic write
      enough = false;
      continue;
    }
    const int64_t i = u / grid.across * grid.rows, j = u % grid.across * grid.cols;
    Rectangle(a, b, inner, c, accumulate, blocks, workspace)
        .run({i, least(i + grid.rows, c.rows)}, {j, least(j + grid.cols, c.cols)});
  }
  return enough;
}

}  // namespace gradfold::GRADFOLD_ISA
