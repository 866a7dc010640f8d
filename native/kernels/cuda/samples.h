// Launching samples.cuh.
#pragma once

#include "launch.h"
#include "samples.cuh"

namespace gradfold::cuda {

/// Enqueues the adding of pieces. Samples of many chunks have several threads for a column, at least four chunks each.
template <class Number>
void add_pieces(Stream& stream, const char* name, const AddPieces<Number>& add) {
  constexpr int64_t kMostTurns = 16, kFewest = 4, kMostRows = 65535;
  const int64_t each = add.chunks / most(1, add.samples.count);
  int64_t turns = 1;
  while (turns < kMostTurns && 2 * turns * kFewest <= each) turns *= 2;
  const int64_t width = kPieceThreads / turns;
  launch(stream, name, Extent(ceil_div(add.rows.cols, width), least(add.samples.count, kMostRows)),
         Extent(width, turns), 0, add_pieces_kernel<Number>, add);
}

}  // namespace gradfold::cuda
