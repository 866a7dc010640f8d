// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): counter-based random words, equal
// to those of lib/random.ts. Several blocks at a time, so that the compiler vectorises across them.
#pragma once

#include <stdint.h>

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif

namespace gradfold::GRADFOLD_ISA {

/// Blocks that are computed together.
constexpr int64_t kPhiloxBlocks = 16;

/// Counters of kPhiloxBlocks blocks before philox4x32, their random words after it: words[w][block].
struct PhiloxBlocks {
  uint32_t words[4][kPhiloxBlocks];
};

/// Replaces counters by random words; the key is the same for all blocks.
static inline void philox4x32(PhiloxBlocks& blocks, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (int64_t block = 0; block < kPhiloxBlocks; ++block) {
      const uint64_t product0 = uint64_t{0xd2511f53} * blocks.words[0][block];
      const uint64_t product1 = uint64_t{0xcd9e8d57} * blocks.words[2][block];
      blocks.words[0][block] = uint32_t(product1 >> 32) ^ blocks.words[1][block] ^ key0;
      blocks.words[1][block] = uint32_t(product1);
      blocks.words[2][block] = uint32_t(product0 >> 32) ^ blocks.words[3][block] ^ key1;
      blocks.words[3][block] = uint32_t(product0);
    }
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
}

}  // namespace gradfold::GRADFOLD_ISA
