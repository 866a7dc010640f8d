// Launching the norms' kernels.
#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>

#include "cuda_device.h"
#include "elementwise.h"
#include "norms.cuh"
#include "types.h"

namespace gradfold::cuda {

/// Packs of the norms' rows: 16 bytes of float32.
constexpr int kNormPack = 4;

/// Threads of a block for rows of d numbers.
inline int64_t norm_threads(int64_t d, int64_t pack) {
  return least(kNormThreads, most(1, ceil_div(ceil_div(d, pack), kWarp)) * kWarp);
}

/// Whether rows of d numbers can be taken in packs: those of matrices, and vectors of parameters.
template <class... Operands>
bool all_in_packs(int64_t d, const Operands&... operands) {
  return d % kNormPack == 0 && (in_packs<kNormPack>(operands) && ...);
}

/// Calls body(number, pack) with a number of the type and the width of packs as a constant.
template <class Body>
void with_pack(Type type, bool packs, Body body) {
  with_type(type, [&](auto number) {
    if (packs)
      body(number, std::integral_constant<int, kNormPack>{});
    else
      body(number, std::integral_constant<int, 1>{});
  });
}

/// Shared memory for sums of `width` numbers over tokens.
inline size_t sums_bytes(int64_t width) {
  constexpr size_t kOfReductions = 4096;  // what block_sums takes at most
  const size_t bytes = static_cast<size_t>(width) * sizeof(float);
  if (bytes + kOfReductions > kMostShared)
    throw std::invalid_argument("a norm of " + std::to_string(width) + " parameters: this device takes at most " +
                                std::to_string((kMostShared - kOfReductions) / sizeof(float)));
  return bytes;
}

/// rows = or += the sums of `pieces` [chunks + samples × width].
inline void add_norm_pieces(Stream& stream, const char* name, const Samples& samples, const float* pieces,
                            int64_t width, View<float> rows, bool accumulate) {
  run_elementwise<1>(stream, name, AddPiecesOp<float>{samples, kNormChunk, pieces, width, rows, false, accumulate},
                     samples.count, width, true);
}

}  // namespace gradfold::cuda
