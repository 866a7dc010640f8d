// Per-sample gradients formed and reduced in registers: norms, dots and the weighted gradient at nearly the cost of the
// product that would form the gradient alone.
//
// A register tile of the weight holds kRows × kCols numbers of g_i = G_iᵀ X_i while the tokens of sample i pass; then
// it is squared, met with the same place of every v_k and added to the gradient without being stored. The samples
// follow one another at one place, so what they meet stays in the first-level cache. X is packed once for a group of
// samples and shared; a thread packs its rows of G. No token is packed twice per pass over the weight, which is what
// products called tile by tile cannot avoid.
#include <omp.h>
#include <string.h>

#include "integers.h"
#include "sample_forms.h"
#include "simd.h"
#include "statistics.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

// Register tiles that fill the register file: sums, one row of X vectors and one broadcast.
#if defined(__AVX512F__)
constexpr int64_t kRows = 12, kVectors = 2;
#else
constexpr int64_t kRows = 4, kVectors = 3;
#endif
constexpr int64_t kCols = kVectors * kLanes;
constexpr int64_t kNumbers = kRows * kCols;
static_assert(kRows % 4 == 0 && kCols % 4 == 0);
/// Numbers between the tiles of two samples that wait for the Gram matrix: an odd number of cache lines.
constexpr int64_t kGramStride = (kNumbers / 16 | 1) * 16;
/// Tokens whose packed rows pass together, so that a sliver of X and a thread's rows of G share the second-level cache.
constexpr int64_t kGroupTokens = 1024;
/// Bytes of G that a thread packs at a time.
constexpr int64_t kPanelBytes = 768 << 10;
/// Tokens that are packed at a time: long runs of a row, few rows.
constexpr int64_t kPackTokens = 16;

/// Consecutive samples whose tokens pass together.
struct Group {
  int64_t first, end;    // samples
  int64_t begin, depth;  // tokens
};

/// The group that starts at a sample. The Gram matrix needs all samples at once.
Group group_from(const SampleJob& job, int64_t first) {
  const SampleStatistics& s = job.s;
  int64_t end = first + 1;
  while (end < s.samples && (s.gram != nullptr || s.begin[end + 1] - s.begin[first] <= kGroupTokens)) ++end;
  return {first, end, s.begin[first], s.begin[end] - s.begin[first]};
}

int64_t deepest_group(const SampleJob& job) {
  int64_t deepest = 0;
  for (Group group = group_from(job, 0);; group = group_from(job, group.end)) {
    if (group.depth > deepest) deepest = group.depth;
    if (group.end == job.s.samples) return deepest;
  }
}

/// The weight cut into units of panels (kRows rows of the weight) × slivers (kCols columns), one thread's work.
struct Units {
  int64_t panels, slivers, down, across;
};

Units cut_units(const SampleJob& job, int64_t depth, int64_t threads) {
  const int64_t panels = ceil_div(job.outputs(), kRows), slivers = ceil_div(job.inputs(), kCols);
  const int64_t panel_bytes = (depth > 0 ? depth : 1) * kRows * static_cast<int64_t>(sizeof(float));
  const int64_t high = least(panels, panel_bytes < kPanelBytes ? kPanelBytes / panel_bytes : 1);
  // As many units for every thread; narrower ones where there are too few rows for that.
  const int64_t turns = ceil_div(ceil_div(panels, high), threads);
  Units units{};
  units.panels = ceil_div(panels, least(panels, turns * threads));
  units.down = ceil_div(panels, units.panels);
  units.slivers = ceil_div(slivers, least(slivers, ceil_div(turns * threads, units.down)));
  units.across = ceil_div(slivers, units.slivers);
  return units;
}

size_t whole_lines(int64_t bytes) { return (static_cast<size_t>(bytes) + 63) / 64 * 64; }

/// Where a thread's scratch has what, in bytes; packed X stands at the end of the first thread's.
struct Places {
  size_t ids, panels, tiles, x, end;
};

Places places_of(const SampleJob& job, int64_t threads) {
  const int64_t depth = deepest_group(job), float_bytes = sizeof(float);
  const Units units = cut_units(job, depth, threads);
  Places places{};
  places.ids = partial_bytes(job.s);
  places.panels = places.ids + whole_lines(job.s.samples * static_cast<int64_t>(sizeof(int32_t)));
  places.tiles = places.panels + whole_lines(units.panels * kRows * depth * float_bytes);
  places.x = places.tiles + whole_lines(job.s.gram != nullptr ? job.s.samples * kGramStride * float_bytes : 0);
  places.end = places.x + whole_lines(ceil_div(job.inputs(), kCols) * kCols * depth * float_bytes);
  return places;
}

// Four numbers at a time, which divides the width of every panel; compilers copy one at a time on their own.
typedef float UnalignedFloat4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint16_t UnalignedBits4 __attribute__((vector_size(8), aligned(2), may_alias));
typedef uint32_t Bits4 __attribute__((vector_size(16)));

inline void copy4(const float* from, float* to) {
  *reinterpret_cast<UnalignedFloat4*>(to) = *reinterpret_cast<const UnalignedFloat4*>(from);
}

inline void copy4(const Bf16* from, float* to) {
  const Bits4 bits = __builtin_convertvector(*reinterpret_cast<const UnalignedBits4*>(from), Bits4) << 16;
  memcpy(to, &bits, sizeof bits);
}

/// Columns [col, col + cols) of the rows [begin, begin + rows) of m, as panels of kWidth columns: column col + p kWidth
/// + w of row begin + r goes to out[(p depth + r) kWidth + w]; zero beyond the last column.
template <int64_t kWidth, class T>
void pack(const View<const T>& m, int64_t begin, int64_t rows, int64_t col, int64_t cols, int64_t depth, float* out) {
  for (int64_t p = 0; p * kWidth < cols; ++p) {
    const int64_t width = least(kWidth, cols - p * kWidth);
    float* to = out + p * depth * kWidth;
    for (int64_t r = 0; r < rows; ++r, to += kWidth) {
      const T* from = m.row(begin + r) + col + p * kWidth;
      __builtin_prefetch(from + kPackTokens * m.stride);
      if (width == kWidth)
#pragma GCC unroll 8
        for (int64_t w = 0; w < kWidth; w += 4) copy4(from + w, to + w);
      else
        for (int64_t w = 0; w < kWidth; ++w) to[w] = w < width ? to_float(from[w]) : 0.0f;
    }
  }
}

typedef Vec Tile[kRows][kVectors];

/// Cache lines that the next register tiles will want, to be asked for while this one is being multiplied: all of them
/// at once would stall the loads of the product itself.
struct Ahead {
  const void** lines;
  int64_t count, next;
};

/// Most lines asked for during one register tile of all samples.
constexpr int64_t kMostAhead = 512;
constexpr int64_t kLineNumbers = 16;
/// Tokens between two requests.
constexpr int64_t kTokensPerLine = 4;

inline __attribute__((always_inline)) void multiply_token(const float* g, const float* x, Tile& tile) {
  Vec xs[kVectors];
#pragma GCC unroll 8
  for (int64_t v = 0; v < kVectors; ++v) xs[v] = load(x + v * kLanes);
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) tile[r][v] += g[r] * xs[v];
}

/// tile = the product of a packed panel of G and a packed sliver of X.
inline __attribute__((always_inline)) void multiply_tile(int64_t depth, const float* g, const float* x, Ahead& ahead,
                                                         Tile& tile) {
  const int64_t requests = least(depth / kTokensPerLine, ahead.count - ahead.next);
  const void** lines = ahead.lines + ahead.next;
  ahead.next += requests;
  for (int64_t q = 0; q < requests; ++q) {
    __builtin_prefetch(lines[q], 0, 2);
#pragma GCC unroll 1
    for (int64_t k = 0; k < kTokensPerLine; ++k, g += kRows, x += kCols) multiply_token(g, x, tile);
  }
  for (int64_t k = requests * kTokensPerLine; k < depth; ++k, g += kRows, x += kCols) multiply_token(g, x, tile);
}

/// tile to memory, rows `stride` numbers apart.
inline __attribute__((always_inline)) void store_tile(const Tile& tile, float* to, int64_t stride) {
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) store(to + r * stride + v * kLanes, tile[r][v]);
}

/// ⟨tile, other⟩ with rows of other `stride` numbers apart.
inline __attribute__((always_inline)) float meet(const Tile& tile, const float* other, int64_t stride) {
  Vec sums[kVectors] = {};
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) sums[v] += tile[r][v] * load(other + r * stride + v * kLanes);
#pragma GCC unroll 8
  for (int64_t v = 1; v < kVectors; ++v) sums[0] += sums[v];
  return sum(sums[0]);
}

/// to += a tile
inline __attribute__((always_inline)) void add_tile(const Tile& tile, Vec a, float* to, int64_t stride) {
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; ++v) {
      float* at = to + r * stride + v * kLanes;
      store(at, load(at) + a * tile[r][v]);
    }
}

/// Forms the tile of one sample at `offset` of the weight and reduces it; whole tiles inside the weight only. `kept`:
/// [kNumbers] receives the tile, or null.
void whole_tile(const SampleJob& job, int64_t sample, int64_t depth, const float* g, const float* x, int64_t offset,
                Ahead& ahead, const PartialSums& sums, float* kept) {
  const int64_t stride = job.inputs();
  Tile tile = {};
  multiply_tile(depth, g, x, ahead, tile);
  if (sums.norms2 != nullptr) {
    Vec squares[kVectors] = {};
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int64_t v = 0; v < kVectors; ++v) squares[v] += tile[r][v] * tile[r][v];
#pragma GCC unroll 8
    for (int64_t v = 1; v < kVectors; ++v) squares[0] += squares[v];
    sums.norms2[sample] += static_cast<double>(sum(squares[0]));
  }
  if (sums.dots != nullptr)
    for (int64_t k = 0; k < job.s.vectors; ++k)
      sums.dots[k * job.s.samples + sample] += static_cast<double>(meet(tile, job.t.vectors[k] + offset, stride));
  if (job.t.gradient != nullptr) add_tile(tile, splat(job.s.weights[sample]), job.t.gradient + offset, stride);
  if (job.t.gradients != nullptr) add_tile(tile, splat(1.0f), job.t.gradients[sample] + offset, stride);
  if (kept != nullptr) store_tile(tile, kept, kCols);
}

/// The same of which only rows × cols lie inside the weight.
void edge_tile(const SampleJob& job, int64_t sample, int64_t depth, const float* g, const float* x, int64_t offset,
               int64_t rows, int64_t cols, Ahead& ahead, const PartialSums& sums, float* kept) {
  float numbers[kNumbers];
  Tile tile = {};
  multiply_tile(depth, g, x, ahead, tile);
  store_tile(tile, numbers, kCols);
  for (int64_t r = 0; r < rows; ++r)
    add_piece(job.s, job.t, sample, numbers + r * kCols, offset + r * job.inputs(), cols, sums);
  if (kept != nullptr) memcpy(kept, numbers, sizeof numbers);
}

/// The lines of a register tile's place in what the samples meet there.
void foresee_place(const SampleJob& job, int64_t offset, int64_t rows, Ahead& ahead) {
  const int64_t dots = job.s.dots != nullptr ? job.s.vectors : 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < kCols; c += kLineNumbers)
      for (int64_t k = job.t.gradient != nullptr ? -1 : 0; k < dots && ahead.count < kMostAhead; ++k)
        ahead.lines[ahead.count++] = (k < 0 ? job.t.gradient : job.t.vectors[k]) + offset + r * job.inputs() + c;
}

/// Part `index` of `parts` of a packed sliver of `depth` tokens.
void foresee_sliver(const float* sliver, int64_t depth, int64_t index, int64_t parts, Ahead& ahead) {
  const int64_t lines = depth * kCols / kLineNumbers;
  for (int64_t line = lines * index / parts; line < lines * (index + 1) / parts && ahead.count < kMostAhead; ++line)
    ahead.lines[ahead.count++] = sliver + line * kLineNumbers;
}

/// One unit: `panels` [panels × depth × kRows] receives its rows of G, x are its slivers, packed.
template <class T>
void run_unit(const SampleJob& job, const Group& group, int64_t row, int64_t rows, int64_t col, int64_t cols,
              const int32_t* ids, int64_t present, float* panels, const float* x, float* kept,
              const PartialSums& sums) {
  const View<const T> g = view_as<T>(job.g);
  for (int64_t r = 0; r < group.depth; r += kPackTokens)
    pack<kRows>(g, group.begin + r, least(kPackTokens, group.depth - r), row, rows, group.depth, panels + r * kRows);
  const void* lines[kMostAhead];
  for (int64_t c = 0; c < cols; c += kCols)
    for (int64_t r = 0; r < rows; r += kRows) {
      const int64_t offset = (row + r) * job.inputs() + col + c;
      const bool whole = r + kRows <= rows && c + kCols <= cols;
      const float *panel = panels + r * group.depth, *sliver = x + c * group.depth;
      // What comes next: the place below, and the sliver beside.
      Ahead ahead{lines, 0, 0};
      if (r + kRows < rows)
        foresee_place(job, offset + kRows * job.inputs(), least(kRows, rows - r - kRows), ahead);
      else if (c + kCols < cols)
        foresee_place(job, row * job.inputs() + col + c + kCols, least(kRows, rows), ahead);
      if (c + kCols < cols)
        foresee_sliver(sliver + group.depth * kCols, group.depth, r / kRows, ceil_div(rows, kRows), ahead);
      for (int64_t a = 0; a < present; ++a) {
        const int64_t i = ids[a], depth = job.tokens(i), before = job.s.begin[i] - group.begin;
        float* keep = kept != nullptr ? kept + a * kGramStride : nullptr;
        if (whole)
          whole_tile(job, i, depth, panel + before * kRows, sliver + before * kCols, offset, ahead, sums, keep);
        else
          edge_tile(job, i, depth, panel + before * kRows, sliver + before * kCols, offset, least(kRows, rows - r),
                    least(kCols, cols - c), ahead, sums, keep);
      }
      if (kept != nullptr) add_gram(kept, kGramStride, ids, present, kNumbers, job.s.samples, sums.gram);
    }
}

template <class T>
void run(const SampleJob& job, const SampleTeam& team) {
  const int64_t outputs = job.outputs(), inputs = job.inputs();
  const Places places = places_of(job, team.threads);
  const Units units = cut_units(job, deepest_group(job), team.threads);
  const View<const T> x = view_as<T>(job.x);
  float* packed_x = reinterpret_cast<float*>(static_cast<char*>(team.scratch[0]) + places.x);

#pragma omp parallel num_threads(team.threads)
  {
    char* memory = static_cast<char*>(team.scratch[omp_get_thread_num()]);
    const PartialSums sums = partial_at(memory, job.s);
    int32_t* ids = reinterpret_cast<int32_t*>(memory + places.ids);
    float* panels = reinterpret_cast<float*>(memory + places.panels);
    float* kept = sums.gram != nullptr ? reinterpret_cast<float*>(memory + places.tiles) : nullptr;

    for (int64_t first = 0; first < job.s.samples;) {
      const Group group = group_from(job, first);
      first = group.end;
      int64_t present = 0;  // samples that have tokens
      for (int64_t i = group.first; i < group.end; ++i)
        if (job.tokens(i) > 0) ids[present++] = static_cast<int32_t>(i);
#pragma omp for schedule(static)
      for (int64_t r = 0; r < group.depth; r += kPackTokens)
        pack<kCols>(x, group.begin + r, least(kPackTokens, group.depth - r), 0, inputs, group.depth,
                    packed_x + r * kCols);
#pragma omp for schedule(static)
      for (int64_t u = 0; u < units.down * units.across; ++u) {
        const int64_t row = u / units.across * units.panels * kRows, col = u % units.across * units.slivers * kCols;
        run_unit<T>(job, group, row, least(units.panels * kRows, outputs - row), col,
                    least(units.slivers * kCols, inputs - col), ids, present, panels, packed_x + col * group.depth,
                    kept, sums);
      }
    }
  }
}

}  // namespace

size_t register_form_bytes(const SampleJob& job, int threads, int thread) {
  const Places places = places_of(job, threads);
  return thread == 0 ? places.end : places.x;
}

void run_register_form(const SampleJob& job, const SampleTeam& team) {
  for (int thread = 0; thread < team.threads; ++thread) zero_partial(team.scratch[thread], job.s);
  with_type(job.g.type, [&](auto number) { run<decltype(number)>(job, team); });
  for (int thread = 0; thread < team.threads; ++thread) add_partial(job.s, partial_at(team.scratch[thread], job.s));
}

}  // namespace gradfold::GRADFOLD_ISA
