// RMSNorm of the CUDA device.
#include "norms.h"
#include "rms_norm.cuh"

namespace gradfold::cuda {

void CudaDevice::rms_norm(ConstMat x, const float* w, double eps, AnyMat y, float* rstd) {
  with_pack(y.type, all_in_packs(x.cols, x, y, w), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream_, "rms_norm", x.rows, norm_threads(x.cols, W), 0, rms_norm_kernel<T, W>, view_of(x), w, eps,
           view_as<T>(y), rstd);
  });
}

void CudaDevice::rms_norm_tangent(ConstMat x, ConstMat x_dot, const float* w, const float* w_dot, const float* rstd,
                                  AnyMat y_dot, float* rstd_dot) {
  with_pack(y_dot.type, all_in_packs(x.cols, x, x_dot, y_dot, w, w_dot), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream_, "rms_norm_tangent", x.rows, norm_threads(x.cols, W), 0, rms_norm_tangent_kernel<T, W>, view_of(x),
           view_of(x_dot), w, w_dot, rstd, view_as<T>(y_dot), rstd_dot);
  });
}

void CudaDevice::rms_norm_backward(ConstAnyMat dy, ConstMat x, const float* w, const float* rstd, int64_t samples,
                                   const int32_t* begin, Mat dx, Mat rows) {
  const int64_t d = x.cols, chunks = ceil_div(x.rows, kNormChunk);
  const Samples table{x.rows, samples, begin};
  Workspace workspace(*this);
  float* pieces = workspace.take<float>((chunks + samples) * d);
  with_pack(dy.type, all_in_packs(d, dy, x, dx, w), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream_, "rms_norm_backward", chunks, norm_threads(d, W), sums_bytes(d), rms_norm_backward_kernel<T, W>,
           view_as<T>(dy), view_of(x), w, rstd, table, view_of(dx), pieces);
  });
  add_norm_pieces(stream_, "rms_norm_backward, its pieces", table, pieces, d, view_of(rows), false);
}

void CudaDevice::rms_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot,
                                           const float* w, const float* w_dot, const float* rstd, const float* rstd_dot,
                                           Mat dx_dot, float* dw_dot) {
  const int64_t d = x.cols, chunks = ceil_div(x.rows, kNormChunk);
  const Samples table{x.rows, 1, nullptr};
  Workspace workspace(*this);
  float* pieces = workspace.take<float>((chunks + 1) * d);
  const bool packs = all_in_packs(d, dy, dy_dot, x, x_dot, dx_dot, w, w_dot);
  with_pack(dy.type, packs, [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream_, "rms_norm_backward_tangent", chunks, norm_threads(d, W), sums_bytes(d),
           rms_norm_backward_tangent_kernel<T, W>, view_as<T>(dy), view_as<T>(dy_dot), view_of(x), view_of(x_dot), w,
           w_dot, rstd, rstd_dot, table, view_of(dx_dot), pieces);
  });
  add_norm_pieces(stream_, "rms_norm_backward_tangent, its pieces", table, pieces, d, {dw_dot, 1, d, d}, true);
}

}  // namespace gradfold::cuda
