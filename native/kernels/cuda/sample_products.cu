// Per-sample statistics of a weight gradient on the CUDA device: what of a call is taken by which kernel, in pieces
// that keep the workspace small.
#include <algorithm>

#include "cuda_device.h"
#include "launch.h"
#include "limits.h"
#include "products.h"
#include "sample_ghost.cuh"
#include "sample_gram.cuh"
#include "sample_plan.h"
#include "sample_tiles.cuh"
#include "sample_weigh.cuh"
#include "types.h"
#include "wgmma_kernels.h"

namespace gradfold::cuda {

namespace {

/// The most that each part of a call may take of the workspace.
constexpr int64_t kFormedBytes = int64_t{40} << 20, kSumBytes = int64_t{24} << 20, kShareBytes = int64_t{24} << 20,
                  kWeighedBytes = int64_t{64} << 20;
/// Blocks that a launch should have, and tiles from which on they are the larger ones.
constexpr int64_t kEnoughBlocks = 256, kEnoughTiles = 96;
constexpr int64_t kSmallTile = 64, kLargeTile = 128;
/// Blocks of warpgroups that run at one time: one on each multiprocessor of an H100 or H200.
constexpr int64_t kWarpgroupBlocks = 132;

/// A call, with the tables that its kernels share.
template <class T>
struct Job {
  Operand<T> g, x;  // outputs and inputs are outer, tokens inner
  const SampleStatistics& s;
  const WeightTarget& t;
  int64_t outputs, inputs;
  SampleWanted wanted;
  const int32_t* begin;          // [samples + 1], on the device
  std::vector<int32_t> present;  // samples that have tokens
};

/// Part of a weight: rows [row, row + rows), columns [col, col + cols).
struct PanelOfWeight {
  int64_t row, rows, col, cols;
};

/// The weight in panels whose formed gradients of all samples fit in kFormedBytes; one panel where none are kept.
std::vector<PanelOfWeight> panels_of(int64_t outputs, int64_t inputs, bool kept, int64_t present) {
  int64_t rows = outputs, cols = inputs;
  if (kept) {
    const int64_t numbers = kFormedBytes / int64_t{sizeof(float)} / present;
    if (numbers >= kSmallTile * inputs)
      rows = std::min(rows, numbers / inputs / kSmallTile * kSmallTile);
    else
      rows = kSmallTile, cols = std::max(kSmallTile, numbers / kSmallTile / kSmallTile * kSmallTile);
  }
  std::vector<PanelOfWeight> panels;
  for (int64_t row = 0; row < outputs; row += rows)
    for (int64_t col = 0; col < inputs; col += cols)
      panels.push_back({row, std::min(rows, outputs - row), col, std::min(cols, inputs - col)});
  return panels;
}

/// Whether pairs of neighbours of a panel lie at multiples of 8 bytes in all of the call's arrays.
template <class T>
bool in_pairs(const Job<T>& job) {
  const auto even = [](const float* at) { return reinterpret_cast<uintptr_t>(at) % 8 == 0; };
  bool all = job.inputs % 2 == 0 && even(job.t.gradient);
  for (int64_t k = 0; k < job.wanted.vectors; ++k) all = all && even(job.t.vectors[k]);
  for (int64_t i = 0; job.wanted.gradients && i < job.s.samples; ++i) all = all && even(job.t.gradients[i]);
  return all;
}

/// present[from, to) cut into about equally costly parts: the first sample of each, then the end.
std::vector<int32_t> parts_of(const SampleStatistics& s, const std::vector<int32_t>& present, size_t from, size_t to,
                              int64_t parts) {
  constexpr int64_t kSampleCost = 64;  // of ending a sample, in tokens
  const auto cost = [&](size_t a) { return s.begin[present[a] + 1] - s.begin[present[a]] + kSampleCost; };
  int64_t total = 0, before = 0;
  for (size_t a = from; a < to; ++a) total += cost(a);
  std::vector<int32_t> first{present[from]};
  for (size_t a = from; a < to; ++a) {
    if (a > from && before * parts >= total * int64_t(first.size())) first.push_back(present[a]);
    before += cost(a);
  }
  first.push_back(present[to - 1] + 1);
  return first;
}

/// The same matrix with its rows outer.
template <class T>
Operand<T> rows_outer(Operand<T> m) {
  std::swap(m.outers, m.inners);
  return m;
}

/// An operand from column `first` on, `count` columns of it.
template <class T>
Operand<T> columns_of(Operand<T> m, int64_t first, int64_t count) {
  m.data += first;
  m.outers = int(count);
  m.vectors = has_vectors<T>(m.data, m.stride);
  return m;
}

/// Pointers of the host on the device, for one panel of a weight at a time.
template <class P>
class PointerTable {
 public:
  PointerTable(CudaDevice& device, Workspace& workspace, const P* pointers, int64_t count)
      : device_(device),
        pointers_(pointers, pointers + count),
        table_(count > 0 ? workspace.take<P>(count) : nullptr) {}

  /// The pointers, each moved on by `numbers`; null where there are none.
  const P* moved(int64_t numbers) const {
    std::vector<P> all = pointers_;
    for (P& pointer : all) pointer += numbers;
    if (table_) device_.upload(table_, all.data(), all.size() * sizeof(P));
    return table_;
  }

 private:
  CudaDevice& device_;
  std::vector<P> pointers_;
  P* table_;
};

/// Gradients formed by tiles of tile_product.cuh.
template <class T, int kTile>
struct MmaTiles {
  static constexpr int64_t kRows = kTile, kCols = kTile;

  /// Parts into which the samples are cut where they can be.
  static int64_t parts(int64_t tiles) { return ceil_div(kEnoughBlocks, tiles); }

  static void run(Stream& stream, int64_t parts, const Operand<T>& g, const Operand<T>& x, const SampleTiles& tiles) {
    launch(stream, "sample_products", Extent(tiles.tiles, parts), kTileThreads<kTile>,
           sample_tiles_shared<T, kTile>(tiles.values), sample_tiles<T, kTile>, g, x, tiles);
  }
};

/// The same by warpgroups.
struct WarpgroupTiles {
  static constexpr int64_t kRows = kWarpgroupTileRows, kCols = kWarpgroupTileCols;

  /// As many as make rounds of blocks, each on all multiprocessors, shortest; fewer where that is nearly the same.
  static int64_t parts(int64_t tiles) {
    const auto time = [&](int64_t parts) { return double(ceil_div(tiles * parts, kWarpgroupBlocks)) / double(parts); };
    int64_t best = 1;
    for (int64_t more = 2; more <= ceil_div(2 * kWarpgroupBlocks, tiles); ++more)
      if (time(more) < 0.95 * time(best)) best = more;
    return best;
  }

  static void run(Stream& stream, int64_t parts, const Operand<Bf16>& g, const Operand<Bf16>& x,
                  const SampleTiles& tiles) {
    launch_warpgroup_samples(stream, parts, g, x, tiles);
  }
};

/// Whether a bfloat16 weight's gradients are formed by warpgroups: half of what the tiles cover is the weight's.
bool for_warpgroups(CudaDevice& device, int64_t rows, int64_t cols, const SampleWanted& wanted) {
  const int64_t covered =
      ceil_div(rows, kWarpgroupTileRows) * kWarpgroupTileRows * ceil_div(cols, kWarpgroupTileCols) * kWarpgroupTileCols;
  return has_warpgroups(device.stream()) && wanted.vectors < kMostWarpgroupValues &&
         (2 * rows * cols >= covered || sample_form == SampleForm::registers);
}

/// What comes from formed gradients; of the vectors those from `first_vector` on, wanted.vectors of them.
template <class T>
class Former {
 public:
  Former(CudaDevice& device, Workspace& workspace, const Job<T>& job, const SampleWanted& wanted, int64_t first_vector)
      : device_(device),
        job_(job),
        wanted_(wanted),
        pairs_(in_pairs(job)),
        dots_(wanted.vectors > 0 ? job.s.dots + first_vector * job.s.samples : nullptr),
        vectors_(device, workspace, wanted.vectors > 0 ? job.t.vectors + first_vector : nullptr, wanted.vectors),
        gradients_(device, workspace, job.t.gradients, wanted.gradients ? job.s.samples : 0) {
    if (!wanted.gram) return;
    std::vector<int32_t> rank(static_cast<size_t>(job.s.samples), 0);
    for (size_t a = 0; a < job.present.size(); ++a) rank[size_t(job.present[a])] = int32_t(a);
    rank_ = workspace.table(rank.data(), job.s.samples);
    id_ = workspace.table(job.present.data(), int64_t(job.present.size()));
  }

  void run() {
    const int64_t present = int64_t(job_.present.size());
    for (const PanelOfWeight& panel : panels_of(job_.outputs, job_.inputs, wanted_.gram, present)) {
      Workspace workspace(device_);
      float* formed = wanted_.gram ? workspace.take<float>(present * panel.rows * panel.cols) : nullptr;
      form(panel, formed);
      if (formed) meet(workspace, panel, formed);
    }
  }

 private:
  void form(const PanelOfWeight& panel, float* formed) {
    if constexpr (sizeof(T) == sizeof(Bf16))
      if (for_warpgroups(device_, panel.rows, panel.cols, wanted_)) return form(panel, formed, WarpgroupTiles{});
    if (ceil_div(panel.rows, kLargeTile) * ceil_div(panel.cols, kLargeTile) >= kEnoughTiles)
      form(panel, formed, MmaTiles<T, kLargeTile>{});
    else
      form(panel, formed, MmaTiles<T, kSmallTile>{});
  }

  template <class Tiles>
  void form(const PanelOfWeight& panel, float* formed, Tiles shape) {
    const int64_t at = panel.row * job_.inputs + panel.col;
    SampleTiles tiles{};
    tiles.begin = job_.begin;
    tiles.outputs = int(panel.rows);
    tiles.inputs = int(panel.cols);
    tiles.pitch = job_.inputs;
    tiles.across = int(ceil_div(panel.cols, Tiles::kCols));
    tiles.tiles = int(ceil_div(panel.rows, Tiles::kRows)) * tiles.across;
    tiles.pairs = pairs_ && panel.col % 2 == 0;
    // The tensor cores' sums are as coarse as bfloat16 allows, and ending a run costs them more.
    tiles.run = int(sizeof(T) == sizeof(float) ? limits.run : INT32_MAX);
    tiles.weights = wanted_.gradient ? job_.s.weights : nullptr;
    tiles.norms = wanted_.norms;
    tiles.vectors = int(wanted_.vectors);
    tiles.values = tiles.vectors + (wanted_.norms ? 1 : 0);
    tiles.v = vectors_.moved(at);
    tiles.gradients = gradients_.moved(at);
    tiles.formed = formed;
    tiles.rank = rank_;

    const int64_t of_sample = int64_t{tiles.values} * tiles.tiles * int64_t{sizeof(double)};
    const int64_t most = of_sample == 0 ? job_.s.samples : std::max<int64_t>(1, kSumBytes / of_sample);
    float* gradient = wanted_.gradient ? job_.t.gradient + at : nullptr;
    for (size_t from = 0, to = 0; from < job_.present.size(); from = to) {
      while (to < job_.present.size() && job_.present[to] - job_.present[from] < most) ++to;
      form_samples(shape, tiles, panel, gradient, from, to);
    }
  }

  /// The samples present[from, to) of a panel.
  template <class Tiles>
  void form_samples(Tiles, SampleTiles tiles, const PanelOfWeight& panel, float* gradient, size_t from, size_t to) {
    const int64_t numbers = panel.rows * panel.cols, most_shares = kShareBytes / int64_t{sizeof(float)} / numbers;
    int64_t parts = std::min<int64_t>(int64_t(to - from), Tiles::parts(tiles.tiles));
    if (gradient) parts = std::max<int64_t>(1, std::min(parts, most_shares));
    const std::vector<int32_t> part = parts_of(job_.s, job_.present, from, to, parts);
    parts = int64_t(part.size()) - 1;

    Workspace workspace(device_);
    const int64_t samples = job_.present[to - 1] + 1 - job_.present[from];
    tiles.part = workspace.table(part.data(), parts + 1);
    tiles.first = job_.present[from];
    tiles.sums = tiles.values > 0 ? workspace.take<double>(samples * tiles.values * tiles.tiles) : nullptr;
    tiles.gradient = parts == 1 ? gradient : nullptr;
    tiles.shares = gradient && parts > 1 ? workspace.take<float>(parts * numbers) : nullptr;
    Tiles::run(device_.stream(), parts, columns_of(job_.g, panel.row, panel.rows),
               columns_of(job_.x, panel.col, panel.cols), tiles);
    if (tiles.sums)
      launch(device_.stream(), "sample_products, sums", Extent(samples, tiles.values), kSumThreads, 0, sum_over_tiles,
             tiles, int(job_.s.samples), job_.s.norms2, dots_);
    if (tiles.shares)
      launch(device_.stream(), "sample_products, gradient", ceil_div(numbers, kSumThreads), kSumThreads, 0,
             sum_over_parts, tiles.shares, int(parts), tiles.outputs, tiles.inputs, tiles.pitch, gradient);
  }

  /// gram += the products of all pairs of formed gradients.
  void meet(Workspace& workspace, const PanelOfWeight& panel, const float* formed) {
    FormedGram gram{};
    gram.formed = formed;
    gram.numbers = panel.rows * panel.cols;
    gram.present = int(job_.present.size());
    gram.id = id_;
    gram.gram = job_.s.gram;
    gram.samples = int(job_.s.samples);
    gram.runs = int(ceil_div(gram.numbers, kGramRun));
    const int64_t sides = ceil_div(gram.present, kGramSide), pairs = sides * (sides + 1) / 2;
    gram.sums = workspace.take<double>(pairs * gram.runs * kGramSide * kGramSide);
    launch(device_.stream(), "sample_products, pairs", Extent(gram.runs, pairs), kGramThreads, 0, gram_runs, gram);
    launch(device_.stream(), "sample_products, Gram matrix", pairs, kGramSide * kGramSide, 0, sum_over_runs, gram);
  }

  CudaDevice& device_;
  const Job<T>& job_;
  SampleWanted wanted_;
  bool pairs_;
  double* dots_;
  PointerTable<const float*> vectors_;
  PointerTable<float*> gradients_;
  const int32_t *rank_ = nullptr, *id_ = nullptr;
};

/// Forms gradients for all that is wanted of them, and again for every limits.vectors more vectors.
template <class T>
void run_formed(CudaDevice& device, Workspace& workspace, const Job<T>& job, SampleWanted wanted) {
  const int64_t vectors = wanted.vectors;
  int64_t first = 0;
  do {
    wanted.vectors = least(limits.vectors, vectors - first);
    Former<T>(device, workspace, job, wanted, first).run();
    wanted = {};
    first += limits.vectors;
  } while (first < vectors);
}

/// Norms and Gram matrix from products between tokens.
template <class T>
void run_ghosts(CudaDevice& device, Workspace& workspace, const Job<T>& job, const std::vector<int32_t>& groups,
                double* norms2, double* gram) {
  const int64_t count = int64_t(groups.size()) - 1;
  GhostPairs pairs{job.begin, workspace.table(groups.data(), count + 1), int(job.s.samples), norms2, gram, 0};
  // Bands of left groups, as many as a grid has rows, each with the right groups from its first on.
  const int64_t band = gram ? limits.grid_rows : count;
  for (int64_t first = 0; first < count; first += band) {
    pairs.first = int(first);
    launch(device.stream(), "sample_products, tokens", Extent(count - first, gram ? least(band, count - first) : 1),
           kTileThreads<kGhostTile>, kGhostShared<T>, ghost_pairs<T>, rows_outer(job.g), rows_outer(job.x), pairs);
  }
}

/// gradient += (w ∘ G)ᵀ X by plain products, of as many tokens at a time as fit in kWeighedBytes.
template <class T>
void add_plain_gradient(CudaDevice& device, Workspace& workspace, const Job<T>& job) {
  const int64_t first = job.s.begin[0], end = job.s.begin[job.s.samples];
  const int64_t pitch = ceil_div(job.outputs, 8) * 8;
  const int64_t most = std::min(end - first, std::max<int64_t>(1, kWeighedBytes / pitch / int64_t{sizeof(T)}));
  T* weighed = workspace.take<T>(most * pitch);
  const View<const T> g{job.g.data, end, job.outputs, job.g.stride};
  for (int64_t token = first; token < end; token += most) {
    const int64_t count = std::min(most, end - token);
    const AnyMat rows{weighed, count, job.outputs, pitch, type_of<T>};
    launch(device.stream(), "sample_products, weights", count, kWeighThreads, 0, weigh_rows<T>, g, token, job.begin,
           int(job.s.samples), job.s.weights, view_as<T>(rows));
    device.matmul(rows, true, {job.x.data + token * job.x.stride, count, job.inputs, job.x.stride, type_of<T>}, false,
                  Mat{job.t.gradient, job.outputs, job.inputs, job.inputs}, 1);
  }
}

template <class T>
void run(CudaDevice& device, bool library, const Job<T>& job) {
  const std::vector<int32_t> groups = group_samples(job.s, kGhostTile);
  SampleShape shape = sample_shape(job.s, groups, kGhostTile, kPanelDepth<T>);
  shape.outputs = double(job.outputs);
  shape.inputs = double(job.inputs);
  shape.bf16 = sizeof(T) == 2;
  shape.library = library;
  shape.warpgroups = shape.bf16 && for_warpgroups(device, job.outputs, job.inputs, job.wanted);
  const SamplePlan plan = plan_samples(shape, job.wanted, sample_form);

  Workspace workspace(device);
  const SampleWanted& wanted = job.wanted;
  if (plan.forms(wanted)) {
    const SampleWanted formed{wanted.norms && !plan.ghost_norms, wanted.gram && !plan.ghost_gram,
                              wanted.gradient && !plan.plain_gradient, wanted.gradients, wanted.vectors};
    run_formed(device, workspace, job, formed);
  }
  if (plan.ghosts(wanted))
    run_ghosts(device, workspace, job, groups, plan.ghost_norms ? job.s.norms2 : nullptr,
               plan.ghost_gram ? job.s.gram : nullptr);
  if (wanted.gradient && plan.plain_gradient) add_plain_gradient(device, workspace, job);
}

}  // namespace

void CudaDevice::sample_products(ConstAnyMat g, ConstAnyMat x, const SampleStatistics& s, const WeightTarget& t) {
  if (s.samples == 0 || g.cols == 0 || x.cols == 0 || s.begin[0] == s.begin[s.samples]) return;
  Workspace workspace(*this);
  const int64_t vectors = s.dots ? s.vectors : 0;
  const SampleWanted wanted{s.norms2 != nullptr, s.gram != nullptr, t.gradient != nullptr, t.gradients != nullptr,
                            vectors};
  std::vector<int32_t> present;
  for (int64_t i = 0; i < s.samples; ++i)
    if (s.begin[i + 1] > s.begin[i]) present.push_back(int32_t(i));
  const int32_t* begin = workspace.table(s.begin, s.samples + 1);
  with_type(g.type, [&](auto number) {
    using T = decltype(number);
    run(*this, products_library(*products_),
        Job<T>{left_operand<T>(g, true), left_operand<T>(x, true), s, t, g.cols, x.cols, wanted, begin, present});
  });
}

}  // namespace gradfold::cuda
