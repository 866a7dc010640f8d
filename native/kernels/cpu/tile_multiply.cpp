// Why not the library's: over the products of a training step (256 to 32000 wide, one thread of a processor with AMX,
// median processor time) this ran at 0.95 to 1.7 times the rate of oneDNN 2.6.3's matmul primitive, at 1.0 to 1.8 times
// with weights packed ahead, and at 1.75 to 1.95 times on the tiles of about 64 × 512 × 64 that are multiplied inside a
// team, where every call must look its primitive up. In vectors of AVX512-BF16 it ran at 0.97 to 1.13 times the
// primitive's rate, and a whole training step at 1.1 times (docs/benchmarks.md).
//
// Each thread owns a rectangle of C. For a block of it and a run of the inner dimension one operand is packed into
// panels of 32 lines (or was, for a weight) that stay in the second-level cache, and meets panels of the other one
// after another. The right operand stays and 32 rows of the left one are read where they lie; where the left one is
// columns, as in a weight's gradient, it stays instead for AMX tiles: its panels need a transposition there and so are
// packed once, while those of the right one need none and are packed for every block. What comes next, of the moving
// operand and of C, is fetched while tiles are multiplied: for weight gradients on AMX tiles that is worth 10 to 15%,
// as are huge pages for the packed block. Sums are float32 in an order that depends on the shapes and types, not on
// threads.
#include "tile_multiply.h"

#include <omp.h>
#include <string.h>

#include "grid.h"
#include "product_workspace.h"
#include "tiles.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Longest run of the inner dimension between two visits to C.
constexpr int64_t kDepth = 1024;
/// A block of kStayBytes of one operand stays in the second-level cache while panels of the other meet it, and so do
/// sums that are visited more than once and are not C itself, in blocks of at most kNarrowCols columns where the right
/// operand is packed for each.
constexpr int64_t kSumBytes = 512 << 10, kNarrowCols = 256;
/// Multiplications below which a thread is not worth waking.
constexpr int64_t kWorkPerThread = 1 << 22;

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
  bool left_stays;            // else the right operand does
  int64_t depth, rows, cols;  // multiples of a step, a panel, a panel (or all there is)
  int64_t moving_bytes, staying_bytes, sum_bytes;

  int64_t bytes() const { return moving_bytes + staying_bytes + sum_bytes; }
};

/// `count`, a multiple of a panel, in equal parts of at most `limit`, or of one panel.
int64_t equal_parts(int64_t count, int64_t limit) {
  const int64_t panels = count / kPanelLines, most = limit < kPanelLines ? 1 : limit / kPanelLines;
  return ceil_div(panels, ceil_div(panels, most)) * kPanelLines;
}

/// For rectangles of at most rows × cols of c, of operands whose numbers have so many parts.
Blocks blocks_of(const AnyMat& c, int64_t rows, int64_t cols, int64_t inner, bool left_columns, bool packed,
                 int64_t parts) {
  constexpr int64_t kSums = kSumBytes / static_cast<int64_t>(sizeof(float));
  Blocks blocks{};
  blocks.left_stays = kLeftColumnsStay && left_columns && !packed;
  const bool direct = c.type == Type::f32 && c.rows % kTileLines == 0 && c.cols % kTileLines == 0;
  const int64_t runs = ceil_div(inner, kDepth / parts);
  blocks.depth = ceil_div(ceil_div(inner, runs), kStep) * kStep;
  const int64_t padded_rows = ceil_div(rows, kPanelLines) * kPanelLines;
  const int64_t padded_cols = ceil_div(cols, kPanelLines) * kPanelLines;
  const int64_t panel_bytes = blocks.depth / kStep * kPairBytes * parts;
  const int64_t stay = kStayBytes / panel_bytes * kPanelLines;
  const bool apart = runs > 1 && !direct;  // sums are kept between runs, beside C
  if (blocks.left_stays) {
    blocks.rows = equal_parts(padded_rows, stay);
    blocks.cols = apart ? equal_parts(padded_cols, kSums / blocks.rows) : padded_cols;
  } else {
    blocks.cols = equal_parts(padded_cols, apart && !packed ? least(stay, kNarrowCols) : stay);
    blocks.rows = apart ? equal_parts(padded_rows, kSums / blocks.cols) : padded_rows;
  }
  blocks.moving_bytes = panel_bytes;
  blocks.staying_bytes = packed ? 0 : panel_bytes * ((blocks.left_stays ? blocks.rows : blocks.cols) / kPanelLines);
  const int64_t sums = direct ? 0 : runs == 1 ? kPanelLines * kPanelLines : blocks.rows * blocks.cols;
  blocks.sum_bytes = sums * static_cast<int64_t>(sizeof(float));
  return blocks;
}

template <int kParts>
class Rectangle {
 public:
  using T = Number<kParts>;

  Rectangle(const Lines<T>& a, const Right<T>& b, int64_t inner, const AnyMat& c, bool accumulate, const Blocks& blocks,
            char* workspace)
      : a_(a),
        b_(b),
        inner_(inner),
        c_(c),
        accumulate_(accumulate),
        blocks_(blocks),
        moving_(workspace),
        staying_(moving_ + blocks.moving_bytes),
        sums_(reinterpret_cast<float*>(staying_ + blocks.staying_bytes)) {}

  void run(Range rows, Range cols) {
    const TileConfiguration configured;
    for (int64_t j = cols.begin; j < cols.end; j += blocks_.cols)
      for (int64_t i = rows.begin; i < rows.end; i += blocks_.rows)
        for (int64_t k = 0; k < inner_; k += blocks_.depth) {
          const Run run{{i, least(i + blocks_.rows, rows.end)},
                        {j, least(j + blocks_.cols, cols.end)},
                        k,
                        least(blocks_.depth, inner_ - k)};
          blocks_.left_stays ? move_right(run) : move_left(run);
        }
  }

 private:
  /// A block of C and a run of the inner dimension that is added to it.
  struct Run {
    Range rows, cols;
    int64_t k, depth;

    int64_t steps() const { return ceil_div(depth, kStep); }
  };

  /// Panels of the right operand, packed one at a time, meet a block of the left one.
  void move_right(const Run& run) {
    const int64_t panel_bytes = run.steps() * kPairBytes;
    pack_panels<kLeftSide, kParts>(a_, run.rows.begin, run.rows.end, run.k, run.depth, staying_);
    const int64_t part_bytes = panels_bytes(run.rows.end - run.rows.begin, run.depth);
    for (int64_t j = run.cols.begin; j < run.cols.end; j += kPanelLines) {
      const int64_t wide = least(kPanelLines, run.cols.end - j);
      pack_panels<Side::right, kParts>(b_.lines, j, j + wide, run.k, run.depth, moving_);
      SourceAhead ahead = lines_ahead(b_.lines, j + kPanelLines, run.cols.end, run);
      const int64_t share = ceil_div(ahead.left(), ceil_div(run.rows.end - run.rows.begin, kPanelLines));
      for (int64_t i = run.rows.begin; i < run.rows.end; i += kPanelLines) {
        const int64_t tall = least(kPanelLines, run.rows.end - i);
        const Left left =
            packed_left(staying_ + (i - run.rows.begin) / kPanelLines * panel_bytes, run.steps(), part_bytes);
        const bool last = i + kPanelLines >= run.rows.end;
        Fetches fetches{ahead, share,
                        sums_ahead(run, last ? run.rows.begin : i + kPanelLines, last ? j + kPanelLines : j)};
        add_tiles<true>(left, moving_, panel_bytes, run, i, j, tall, wide, fetches);
      }
    }
  }

  /// Panels of the left operand, read where they lie unless they must be packed, meet a block of the right one.
  void move_left(const Run& run) {
    int64_t panel_bytes = run.steps() * kPairBytes;
    const char* right = staying_;
    if (b_.packed != nullptr) {
      panel_bytes = b_.panel_bytes;
      right = b_.packed + run.cols.begin / kPanelLines * panel_bytes + run.k / kStep * kPairBytes;
    } else {
      pack_panels<Side::right, kParts>(b_.lines, run.cols.begin, run.cols.end, run.k, run.depth, staying_);
    }
    const int64_t part_bytes = panels_bytes(run.cols.end - run.cols.begin, run.depth);
    for (int64_t i = run.rows.begin; i < run.rows.end; i += kPanelLines) {
      const int64_t tall = least(kPanelLines, run.rows.end - i);
      const Left left = left_of(i, tall, run);
      SourceAhead ahead = lines_ahead(a_, i + kPanelLines, run.rows.end, run);
      const int64_t share = ceil_div(ahead.left(), ceil_div(run.cols.end - run.cols.begin, kPanelLines));
      for (int64_t j = run.cols.begin; j < run.cols.end; j += kPanelLines) {
        const bool last = j + kPanelLines >= run.cols.end;
        Fetches fetches{ahead, share,
                        sums_ahead(run, last ? i + kPanelLines : i, last ? run.cols.begin : j + kPanelLines)};
        add_tiles<false>(left, right + (j - run.cols.begin) / kPanelLines * panel_bytes, part_bytes, run, i, j, tall,
                         least(kPanelLines, run.cols.end - j), fetches);
      }
    }
  }

  static Left packed_left(const char* panel, int64_t steps, int64_t part_bytes) {
    return {panel, kLeftRowBytes, kTileBytes, kPairBytes, steps, nullptr, part_bytes};
  }

  Left left_of(int64_t first, int64_t lines, const Run& run) {
    const bool whole_lines = lines == kTileLines || lines == kPanelLines;
    if (kParts > 1 || a_.columns || !whole_lines) {
      pack_panels<kLeftSide, kParts>(a_, first, first + lines, run.k, run.depth, moving_);
      return packed_left(moving_, run.steps(), run.steps() * kPairBytes);
    }
    const int64_t row_bytes = a_.stride * static_cast<int64_t>(sizeof(T)), rest = run.depth % kStep;
    if (rest > 0) pack_panels<kLeftSide, kParts>(a_, first, first + lines, run.k + run.depth - rest, rest, moving_);
    return {reinterpret_cast<const char*>(a_.data + first * a_.stride + run.k),
            row_bytes,
            kTileLines * row_bytes,
            64,
            run.depth / kStep,
            rest > 0 ? moving_ : nullptr,
            0};
  }

  /// The cache lines of a panel at line `first`, none where it begins beyond `end`; of columns of float32, which lie
  /// two lines wide, the first.
  static SourceAhead lines_ahead(const Lines<T>& from, int64_t first, int64_t end, const Run& run) {
    if (first >= end) return {};
    const int64_t size = static_cast<int64_t>(sizeof(T)), stride = from.stride * size;
    if (from.columns) return {from.data + run.k * from.stride + first, stride, 32 * stride, run.steps() * kStep};
    return {from.data + first * from.stride + run.k, stride, 64, run.steps() * kStep * (kStep * size / 64)};
  }

  /// The cache lines of 32 × 32 numbers of C that a run visits, none where it writes to sums of its own.
  SumsAhead sums_ahead(const Run& run, int64_t i, int64_t j) const {
    const bool wanted = c_.type == Type::f32 || run.k + run.depth == inner_;
    if (!wanted || i >= run.rows.end || j >= run.cols.end) return {};
    const int64_t size = size_of(c_.type);
    return {static_cast<const char*>(c_.data) + (i * c_.stride + j) * size, c_.stride * size, 64, 16 * size};
  }

  /// Sums of float32 in whole tiles go straight into C; others by way of sums_.
  template <bool kLeftStays>
  void add_tiles(const Left& left, const char* panel, int64_t part_bytes, const Run& run, int64_t i, int64_t j,
                 int64_t tall, int64_t wide, Fetches& fetches) {
    const bool first = run.k == 0, last = run.k + run.depth == inner_;
    const bool whole = tall % kTileLines == 0 && wide % kTileLines == 0;
    if (c_.type == Type::f32 && whole) {
      float* to = static_cast<float*>(c_.data) + i * c_.stride + j;
      return multiply_tiles<kParts, kLeftStays>(left, panel, part_bytes, first && !accumulate_ ? nullptr : to, to,
                                                c_.stride, tall, wide, fetches);
    }
    const bool once = first && last;
    const int64_t stride = once ? kPanelLines : blocks_.cols;
    float* sums = once ? sums_ : sums_ + (i - run.rows.begin) * stride + (j - run.cols.begin);
    if (first && accumulate_) take(c_, i, j, tall, wide, sums, stride);
    multiply_tiles<kParts, kLeftStays>(left, panel, part_bytes, first && !accumulate_ ? nullptr : sums, sums, stride,
                                       tall, wide, fetches);
    if (last) put(sums, stride, c_, i, j, tall, wide);
  }

  Lines<T> a_;
  Right<T> b_;
  int64_t inner_;
  AnyMat c_;
  bool accumulate_;
  Blocks blocks_;
  char* moving_;
  char* staying_;
  float* sums_;
};

}  // namespace

template <int kParts>
bool multiply(const Lines<Number<kParts>>& a, const Right<Number<kParts>>& b, int64_t inner, const AnyMat& c,
              bool accumulate) noexcept {
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
  const Blocks blocks =
      blocks_of(c, least(grid.rows, c.rows), least(grid.cols, c.cols), inner, a.columns, b.packed != nullptr, kParts);
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
    Rectangle<kParts>(a, b, inner, c, accumulate, blocks, workspace)
        .run({i, least(i + grid.rows, c.rows)}, {j, least(j + grid.cols, c.cols)});
  }
  return enough;
}

template bool multiply<1>(const Lines<Bf16>&, const Right<Bf16>&, int64_t, const AnyMat&, bool) noexcept;
#ifdef __AMX_BF16__
template bool multiply<2>(const Lines<float>&, const Right<float>&, int64_t, const AnyMat&, bool) noexcept;
template bool multiply<3>(const Lines<float>&, const Right<float>&, int64_t, const AnyMat&, bool) noexcept;
#endif

}  // namespace gradfold::GRADFOLD_ISA
