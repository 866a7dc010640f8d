// Launching the norms' kernels: LayerNorm (kCentred) and RMSNorm, which has neither means nor shifts.
#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>

#include "cuda_device.h"
#include "elementwise.h"
#include "limits.h"
#include "norms.cuh"
#include "samples.h"
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

/// Arguments as those of CudaDevice's methods of the norm; means null without kCentred.
template <bool kCentred>
void run_norm(Stream& stream, const char* name, ConstMat x, const float* wb, double eps, AnyMat y, float* mean,
              float* rstd) {
  with_pack(y.type, all_in_packs(x.cols, x, y, wb), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream, name, x.rows, norm_threads(x.cols, W), 0, norm_kernel<kCentred, T, W>, view_of(x), wb, eps,
           view_as<T>(y), mean, rstd);
  });
}

template <bool kCentred>
void run_norm_tangent(Stream& stream, const char* name, ConstMat x, ConstMat x_dot, const float* wb,
                      const float* wb_dot, const float* mean, const float* rstd, AnyMat y_dot, float* mean_dot,
                      float* rstd_dot) {
  with_pack(y_dot.type, all_in_packs(x.cols, x, x_dot, y_dot, wb, wb_dot), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream, name, x.rows, norm_threads(x.cols, W), 0, norm_tangent_kernel<kCentred, T, W>, view_of(x),
           view_of(x_dot), wb, wb_dot, mean, rstd, view_as<T>(y_dot), mean_dot, rstd_dot);
  });
}

/// A backward pass in bands of chunks, so that their pieces take no more than limits.norm_pieces beside one for each
/// sample: pass(first, chunks, pieces) enqueues the kernel of a band, then rows = or += what it left of each sample.
template <class Pass>
void for_bands(CudaDevice& device, const char* name, const Samples& samples, View<float> rows, bool accumulate,
               Pass pass) {
  const int64_t width = rows.cols, chunks = ceil_div(samples.tokens, kNormChunk);
  const int64_t band = most(1, limits.norm_pieces / (width * int64_t{sizeof(float)}));
  Workspace workspace(device);
  float* pieces = workspace.take<float>((least(chunks, band) + samples.count) * width);
  for (int64_t first = 0; first == 0 || first < chunks; first += band) {
    const int64_t count = least(band, chunks - first);
    pass(first, count, pieces);
    add_pieces<float>(device.stream(), name,
                      {samples, kNormChunk, first, count, pieces, rows, false, accumulate || first > 0});
  }
}

template <bool kCentred>
void run_norm_backward(CudaDevice& device, const char* name, ConstAnyMat dy, ConstMat x, const float* wb,
                       const float* mean, const float* rstd, int64_t samples, const int32_t* begin, Mat dx, Mat rows) {
  const int64_t d = x.cols;
  const size_t shared = sums_bytes(kNormParts<kCentred> * d);
  const Samples table{x.rows, samples, begin};
  for_bands(device, name, table, view_of(rows), false, [&](int64_t first, int64_t chunks, float* pieces) {
    with_pack(dy.type, all_in_packs(d, dy, x, dx, wb), [&](auto number, auto pack) {
      using T = decltype(number);
      constexpr int W = decltype(pack)::value;
      launch(device.stream(), name, chunks, norm_threads(d, W), shared, norm_backward_kernel<kCentred, T, W>,
             view_as<T>(dy), view_of(x), wb, mean, rstd, table, first, view_of(dx), pieces);
    });
  });
}

template <bool kCentred>
void run_norm_backward_tangent(CudaDevice& device, const char* name, ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x,
                               ConstMat x_dot, const float* wb, const float* wb_dot, const float* mean,
                               const float* rstd, const float* mean_dot, const float* rstd_dot, Mat dx_dot,
                               float* dwb_dot) {
  const int64_t d = x.cols, width = kNormParts<kCentred> * d;
  const size_t shared = sums_bytes(width);
  const Samples table{x.rows, 1, nullptr};
  const View<float> row{dwb_dot, 1, width, width};
  for_bands(device, name, table, row, true, [&](int64_t first, int64_t chunks, float* pieces) {
    with_pack(dy.type, all_in_packs(d, dy, dy_dot, x, x_dot, dx_dot, wb, wb_dot), [&](auto number, auto pack) {
      using T = decltype(number);
      constexpr int W = decltype(pack)::value;
      launch(device.stream(), name, chunks, norm_threads(d, W), shared, norm_backward_tangent_kernel<kCentred, T, W>,
             view_as<T>(dy), view_as<T>(dy_dot), view_of(x), view_of(x_dot), wb, wb_dot, mean, rstd, mean_dot, rstd_dot,
             table, first, view_of(dx_dot), pieces);
    });
  });
}

}  // namespace gradfold::cuda
