// The warp-wide matrix instructions, lane by lane as the PTX manual (ISA 8.x, "Matrix multiply-accumulate operation
// using mma instruction", "Warp-level matrix load instruction: ldmatrix") lays their fragments out. Only for tests.
#pragma once

#include "shared.h"

namespace gradfold::emulation {

using Slots = const unsigned char (*)[Warp::kSlot];
using Results = unsigned char (*)[Warp::kSlot];

inline float bf16_at(uint32_t pair, int half) { return __uint_as_float(half == 0 ? pair << 16 : pair & 0xffff0000u); }

template <class T>
T part_of(const unsigned char* slot, int i) {
  T value;
  std::memcpy(&value, slot + static_cast<size_t>(i) * sizeof(T), sizeof value);
  return value;
}

/// d += a b with a [16 × 16], b [16 × 8], d [16 × 8]; a slot holds d[4], a[4], b[2].
inline void combine_bf16_16816(Slots slots, Results results) {
  float a[16][16], b[16][8];
  for (int k = 0; k < kWarp; ++k) {
    const int group = k / 4, pair = k % 4 * 2;
    for (int i = 0; i < 8; ++i) {
      const int row = group + (i / 2 % 2) * 8, col = pair + i % 2 + (i / 4) * 8;
      a[row][col] = bf16_at(part_of<uint32_t>(slots[k], 4 + i / 2), i % 2);
    }
    for (int i = 0; i < 4; ++i)
      b[pair + i % 2 + (i / 2) * 8][group] = bf16_at(part_of<uint32_t>(slots[k], 8 + i / 2), i % 2);
  }
  for (int k = 0; k < kWarp; ++k)
    for (int i = 0; i < 4; ++i) {
      const int row = k / 4 + i / 2 * 8, col = k % 4 * 2 + i % 2;
      float sum = part_of<float>(slots[k], i);
      for (int j = 0; j < 16; ++j) sum += a[row][j] * b[j][col];
      std::memcpy(results[k] + static_cast<size_t>(i) * sizeof sum, &sum, sizeof sum);
    }
}

inline void multiply_tile(const Site& site, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                          Block::Combine combine) {
  struct {
    float d[4];
    uint32_t a[4], b[2];
  } given;
  std::memcpy(given.d, d, sizeof d);
  std::memcpy(given.a, a, sizeof a);
  std::memcpy(given.b, b, sizeof b);
  std::memcpy(d, lane().block->exchange(site, &given, sizeof given, combine), sizeof d);
}

/// Eight rows of eight 16-bit numbers a tile, row r of tile m at the address that lane 8 m + r gives.
template <int kTiles, bool kTranspose, class T>
void load_tiles(const Site& site, uint32_t (&to)[kTiles], SharedArray<T> row) {
  static_assert(sizeof(T) == 2);
  Lane& self = lane();
  uint16_t numbers[8] = {};
  if (self.lane() < 8 * kTiles) {
    const T* from = row.within(0, 16);
    self.block->note_read(from, 16, row.name());
    std::memcpy(numbers, from, sizeof numbers);
  }
  const unsigned char* results = self.block->exchange(site, numbers, sizeof numbers, [](Slots slots, Results out) {
    for (int k = 0; k < kWarp; ++k)
      for (int tile = 0; tile < kTiles; ++tile)
        for (int half = 0; half < 2; ++half) {
          const int r = kTranspose ? k % 4 * 2 + half : k / 4, c = kTranspose ? k / 4 : k % 4 * 2 + half;
          std::memcpy(out[k] + tile * 4 + half * 2, slots[tile * 8 + r] + c * 2, 2);
        }
  });
  std::memcpy(to, results, sizeof to);
}

}  // namespace gradfold::emulation
