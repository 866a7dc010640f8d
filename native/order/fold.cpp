#include "fold.h"

#include <algorithm>

#include "argsort.h"
#include "buffer.h"
#include "parallel.h"

namespace gradfold::order {

void fold(const uint32_t* sorted, int64_t n, int64_t layers, int threads, uint32_t* folded) {
  const int team = team_size(n, threads);
  // Layer l has n/L rows, one more when l < n mod L. Reading in sorted order touches every input line once.
  const int64_t each = n / layers, longer = n % layers;
#pragma omp parallel for num_threads(team) schedule(static, 1)
  for (int part = 0; part < team; ++part) {
    const int64_t begin = part_begin(n, team, part), end = part_begin(n, team, part + 1);
    int64_t layer = begin % layers, place = begin / layers;
    for (int64_t i = begin; i < end; ++i) {
      folded[layer * each + std::min(layer, longer) + place] = sorted[i];
      if (++layer == layers) {
        layer = 0;
        ++place;
      }
    }
  }
}

namespace {

template <typename Score>
int64_t sort_and_fold(const Score* scores, int64_t n, int64_t layers, int threads, uint32_t* order) {
  if (layers == 1) return argsort(scores, n, false, threads, order);
  const Buffer<uint32_t> sorted = allocate_buffer<uint32_t>(size_t(n));
  const int64_t nan = argsort(scores, n, false, threads, sorted.get());
  if (nan == kNoNan) fold(sorted.get(), n, layers, threads, order);
  return nan;
}

}  // namespace

int64_t fold_order(const float* scores, int64_t n, int64_t layers, int threads, uint32_t* order) {
  return sort_and_fold(scores, n, layers, threads, order);
}

int64_t fold_order(const double* scores, int64_t n, int64_t layers, int threads, uint32_t* order) {
  return sort_and_fold(scores, n, layers, threads, order);
}

}  // namespace gradfold::order
