// What a sort of scores does beside sorting: scores become unsigned integers in the same order (native/order/keys.h),
// and sorted rows go to their folded places (native/order/places.h).
#pragma once

#include "../../order/keys.h"
#include "../../order/places.h"
#include "order_rows.cuh"

namespace gradfold::cuda {

/// keys[i] = the key of scores[i], turned where the order is to be descending; rows[i] = i. odd[block] receives n − i
/// of the block's first score that is not a number, or 0.
template <class Score, class Key>
__global__ void __launch_bounds__(kRowThreads)
    keys_kernel(const Score* scores, int64_t n, bool descending, Key* keys, uint32_t* rows, int64_t* odd) {
  int64_t nan = 0;
  for_rows(n, [&](int64_t i) {
    const Score score = scores[i];
    if (score != score && nan == 0) nan = n - i;
    const Key key = order::key_of(score);
    keys[i] = descending ? Key(~key) : key;
    rows[i] = uint32_t(i);
  });
  nan = block_max(nan);
  if (threadIdx.x == 0) odd[blockIdx.x] = nan;
}

/// Turns the order of keys.
template <class Key>
__global__ void __launch_bounds__(kRowThreads) turn_kernel(Key* keys, int64_t n) {
  for_rows(n, [&](int64_t i) { keys[i] = Key(~keys[i]); });
}

/// out[places.of(i)] = rows[i]. Neighbours of a layer are neighbours in both, so that what one warp leaves of a line is
/// written by those beside it.
static __global__ void __launch_bounds__(kRowThreads)
    fold_kernel(const uint32_t* rows, int64_t n, order::FoldedPlaces places, uint32_t* out) {
  const uint32_t layers = uint32_t(places.layers());
  for_rows(n, [&](int64_t i) {
    const uint32_t position = uint32_t(i), turn = position / layers;
    out[places.begin(position - turn * layers) + turn] = rows[i];
  });
}

}  // namespace gradfold::cuda
