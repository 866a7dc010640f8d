// Where sorted rows go when they are folded.
#pragma once

#include <algorithm>
#include <cstdint>

#include "on_device.h"

namespace gradfold::order {

/// Folding of n sorted rows in L layers: rows 0, L, 2L, … come first, then 1, L + 1, …, up to the layer that begins
/// with L − 1. Layer l has n/L rows, one more when l < n mod L.
class FoldedPlaces {
 public:
  /// layers ≥ 1
  FoldedPlaces(int64_t n, int64_t layers) : layers_(layers), each_(n / layers), longer_(n % layers) {}

  GRADFOLD_ON_DEVICE int64_t layers() const { return layers_; }
  /// The place of the sorted row `position`.
  int64_t of(int64_t position) const { return begin(position % layers_) + position / layers_; }
  /// The place of the first row of a layer.
  GRADFOLD_ON_DEVICE int64_t begin(int64_t layer) const { return layer * each_ + (layer < longer_ ? layer : longer_); }

 private:
  int64_t layers_, each_, longer_;
};

/// Walks through the places of sorted rows one after the other, without a division for each.
class PlaceCursor {
 public:
  PlaceCursor(const FoldedPlaces& places, int64_t position)
      : places_(&places), layer_(position % places.layers()), turn_(position / places.layers()) {}

  /// The place of the next row.
  int64_t take() {
    const int64_t place = places_->begin(layer_) + turn_;
    if (++layer_ == places_->layers()) {
      layer_ = 0;
      ++turn_;
    }
    return place;
  }

 private:
  const FoldedPlaces* places_;
  int64_t layer_, turn_;
};

/// row_at(0), …, row_at(count − 1), which are the sorted rows position, position + 1, …, to their places in `out`.
template <typename RowAt>
void write_folded(const FoldedPlaces& places, int64_t position, int64_t count, const RowAt& row_at, uint32_t* out) {
  constexpr int64_t kBlock = 1 << 11;         // entries that stay in the first cache while every layer picks its rows
  constexpr int64_t kFewLayers = kBlock / 8;  // above, a layer finds too few of its rows in a block
  const int64_t layers = places.layers();
  if (layers > kFewLayers) {
    PlaceCursor cursor(places, position);
    for (int64_t i = 0; i < count; ++i) out[cursor.take()] = row_at(i);
    return;
  }
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(count, begin + kBlock);
    for (int64_t first = begin; first < std::min(end, begin + layers); ++first) {
      uint32_t* to = out + places.of(position + first);
      for (int64_t i = first; i < end; i += layers) *to++ = row_at(i);
    }
  }
}

}  // namespace gradfold::order
