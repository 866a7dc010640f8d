// Launching the norms' kernels: LayerNorm (kCentred) and RMSNorm, which has neither means nor shifts.
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

template <bool kCentred>
void run_norm_backward(CudaDevice& device, const char* name, ConstAnyMat dy, ConstMat x, const float* wb,
                       const float* mean, const float* rstd, int64_t samples, const int32_t* begin, Mat dx, Mat rows) {
  const int64_t d = x.cols, width = kNormParts<kCentred> * d, chunks = ceil_div(x.rows, kNormChunk);
  const Samples table{x.rows, samples, begin};
  Workspace workspace(device);
  float* pieces = workspace.take<float>((chunks + samples) * width);
  with_pack(dy.type, all_in_packs(d, dy, x, dx, wb), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(device.stream(), name, chunks, norm_threads(d, W), sums_bytes(width), norm_backward_kernel<kCentred, T, W>,
           view_as<T>(dy), view_of(x), wb, mean, rstd, table, view_of(dx), pieces);
  });
  add_norm_pieces(device.stream(), name, table, pieces, width, view_of(rows), false);
}

template <bool kCentred>
void run_norm_backward_tangent(CudaDevice& device, const char* name, ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x,
                               ConstMat x_dot, const float* wb, const float* wb_dot, const float* mean,
                               const float* rstd, const float* mean_dot, const float* rstd_dot, Mat dx_dot,
                               float* dwb_dot) {
  const int64_t d = x.cols, width = kNormParts<kCentred> * d, chunks = ceil_div(x.rows, kNormChunk);
  const Samples table{x.rows, 1, nullptr};
  Workspace workspace(device);
  float* pieces = workspace.take<float>((chunks + 1) * width);
  with_pack(dy.type, all_in_packs(d, dy, dy_dot, x, x_dot, dx_dot, wb, wb_dot), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(device.stream(), name, chunks, norm_threads(d, W), sums_bytes(width),
           norm_backward_tangent_kernel<kCentred, T, W>, view_as<T>(dy), view_as<T>(dy_dot), view_of(x), view_of(x_dot),
           wb, wb_dot, mean, rstd, mean_dot, rstd_dot, table, view_of(dx_dot), pieces);
  });
  add_norm_pieces(device.stream(), name, table, pieces, width, {dwb_dot, 1, width, width}, true);
}

}  // namespace gradfold::cuda
