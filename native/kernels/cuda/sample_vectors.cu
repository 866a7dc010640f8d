// sample_rows and sample_embedding of the CUDA device.
#include "cuda_device.h"
#include "elementwise.h"
#include "limits.h"
#include "sample_vectors.cuh"
#include "types.h"

namespace gradfold::cuda {

namespace {

/// The tables of a call that are wanted, on the device.
struct Wanted {
  int64_t vectors = 0;
  const float* const* dots = nullptr;
  float* const* gradients = nullptr;

  Wanted(Workspace& workspace, const SampleStatistics& s, const WeightTarget& t) {
    if (s.dots != nullptr && s.vectors > 0) {
      vectors = s.vectors;
      dots = workspace.table(t.vectors, s.vectors);
    }
    if (t.gradients != nullptr) gradients = workspace.table(t.gradients, s.samples);
  }
};

/// Calls body(first, count) for runs of `all` that a grid has rows for.
template <class Body>
void for_grid_rows(int64_t all, Body body) {
  for (int64_t first = 0; first < all; first += limits.grid_rows) body(first, least(limits.grid_rows, all - first));
}

}  // namespace

void CudaDevice::sample_rows(ConstMat rows, const SampleStatistics& s, const WeightTarget& t) {
  if (rows.rows == 0 || rows.cols == 0) return;
  Workspace workspace(*this);
  const Wanted wanted(workspace, s, t);
  const View<const float> view = view_of(rows);
  const int64_t samples = rows.rows;
  if (s.norms2 != nullptr)
    launch(stream_, "sample_rows, norms", samples, kStatisticThreads, 0, row_dots_kernel, view, nullptr, s.norms2);
  for_grid_rows(wanted.vectors, [&](int64_t first, int64_t count) {
    launch(stream_, "sample_rows, dots", Extent(samples, count), kStatisticThreads, 0, row_dots_kernel, view,
           wanted.dots + first, s.dots + first * samples);
  });
  if (s.gram != nullptr)
    for_grid_rows(samples, [&](int64_t first, int64_t count) {
      launch(stream_, "sample_rows, Gram matrix", Extent(samples, count), kStatisticThreads, 0, row_gram_kernel, view,
             first, s.gram);
    });
  if (t.gradient != nullptr)
    run_elementwise<1>(stream_, "sample_rows, gradient", AddWeightedRowsOp{view, s.weights, t.gradient}, 1, rows.cols,
                       true);
  if (wanted.gradients != nullptr)
    run_elementwise<1>(stream_, "sample_rows, gradients", AddRowsOp{view, wanted.gradients}, samples, rows.cols, true);
}

void CudaDevice::sample_embedding(const EmbeddingGroups& e, ConstMat dx, const SampleStatistics& s,
                                  const WeightTarget& t) {
  // The sums of a slab's groups are kept for all that is wanted of them; slabs are as wide as memory allows, whole
  // blocks of threads if they can be, else whole sectors of memory.
  constexpr int64_t kSector = 8;
  if (e.groups == 0 || dx.cols == 0) return;
  Workspace workspace(*this);
  const Wanted wanted(workspace, s, t);
  const int64_t fitting = limits.group_sums / (e.groups * static_cast<int64_t>(sizeof(float)));
  const int64_t unit = fitting >= kGroupThreads ? kGroupThreads : kSector;
  const int64_t width = least(most(fitting / unit * unit, unit), dx.cols);
  float* sums = workspace.take<float>(e.groups * width);
  for (int64_t first = 0; first < dx.cols; first += width) {
    const EmbeddingSlab slab{e, first, least(width, dx.cols - first), dx.cols, sums};
    const Extent groups(e.groups, ceil_div(slab.cols, kGroupThreads));
    launch(stream_, "sample_embedding, sums", groups, kGroupThreads, 0, group_sums_kernel, slab, view_of(dx));
    if (s.norms2 != nullptr)
      launch(stream_, "sample_embedding, norms", s.samples, kStatisticThreads, 0, embedding_dots_kernel, slab,
             s.samples, nullptr, s.norms2);
    for_grid_rows(wanted.vectors, [&](int64_t begin, int64_t count) {
      launch(stream_, "sample_embedding, dots", Extent(s.samples, count), kStatisticThreads, 0, embedding_dots_kernel,
             slab, s.samples, wanted.dots + begin, s.dots + begin * s.samples);
    });
    if (s.gram != nullptr)
      for_grid_rows(s.samples, [&](int64_t begin, int64_t count) {
        launch(stream_, "sample_embedding, Gram matrix", Extent(s.samples, count), kStatisticThreads, 0,
               embedding_gram_kernel, slab, s.samples, begin, s.gram);
      });
    if (t.gradient != nullptr)
      launch(stream_, "sample_embedding, gradient", groups, kGroupThreads, 0, embedding_gradient_kernel, slab,
             s.weights, t.gradient);
    if (wanted.gradients != nullptr)
      launch(stream_, "sample_embedding, gradients", groups, kGroupThreads, 0, embedding_gradients_kernel, slab,
             wanted.gradients);
  }
}

}  // namespace gradfold::cuda
