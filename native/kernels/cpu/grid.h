// How a product's C is cut into one rectangle a thread.
#pragma once

#include "integers.h"
#include "range.h"

namespace gradfold::GRADFOLD_ISA {

struct Grid {
  int64_t down, across;  // rectangles
  int64_t rows, cols;    // of each, in whole tiles
};

/// The grid over C [rows × cols] whose busiest thread has least to multiply; among equals the one that packs least.
inline Grid cut(int64_t rows, int64_t cols, int64_t tile_rows, int64_t tile_cols, int64_t threads) {
  Grid best{};
  int64_t best_area = INT64_MAX, best_border = INT64_MAX;
  for (int64_t down = 1; down <= threads; ++down) {
    const int64_t across = threads / down;
    const int64_t tall = ceil_div(ceil_div(rows, tile_rows), down) * tile_rows;
    const int64_t wide = ceil_div(ceil_div(cols, tile_cols), across) * tile_cols;
    const int64_t area = tall * wide, border = tall + wide;
    if (area > best_area || (area == best_area && border >= best_border)) continue;
    best_area = area;
    best_border = border;
    best = {ceil_div(rows, tall), ceil_div(cols, wide), tall, wide};
  }
  return best;
}

}  // namespace gradfold::GRADFOLD_ISA
