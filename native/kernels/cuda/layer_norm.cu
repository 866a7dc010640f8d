// LayerNorm of the CUDA device.
#include "layer_norm.cuh"
#include "norms.h"

namespace gradfold::cuda {

void CudaDevice::layer_norm(ConstMat x, const float* wb, double eps, AnyMat y, float* mean, float* rstd) {
  with_pack(y.type, all_in_packs(x.cols, x, y, wb), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream_, "layer_norm", x.rows, norm_threads(x.cols, W), 0, layer_norm_kernel<T, W>, view_of(x), wb, eps,
           view_as<T>(y), mean, rstd);
  });
}

void CudaDevice::layer_norm_tangent(ConstMat x, ConstMat x_dot, const float* wb, const float* wb_dot, const float* mean,
                                    const float* rstd, AnyMat y_dot, float* mean_dot, float* rstd_dot) {
  with_pack(y_dot.type, all_in_packs(x.cols, x, x_dot, y_dot, wb, wb_dot), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream_, "layer_norm_tangent", x.rows, norm_threads(x.cols, W), 0, layer_norm_tangent_kernel<T, W>,
           view_of(x), view_of(x_dot), wb, wb_dot, mean, rstd, view_as<T>(y_dot), mean_dot, rstd_dot);
  });
}

void CudaDevice::layer_norm_backward(ConstAnyMat dy, ConstMat x, const float* wb, const float* mean, const float* rstd,
                                     int64_t samples, const int32_t* begin, Mat dx, Mat rows) {
  const int64_t d = x.cols, chunks = ceil_div(x.rows, kNormChunk);
  const Samples table{x.rows, samples, begin};
  Workspace workspace(*this);
  float* pieces = workspace.take<float>((chunks + samples) * 2 * d);
  with_pack(dy.type, all_in_packs(d, dy, x, dx, wb), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream_, "layer_norm_backward", chunks, norm_threads(d, W), sums_bytes(2 * d),
           layer_norm_backward_kernel<T, W>, view_as<T>(dy), view_of(x), wb, mean, rstd, table, view_of(dx), pieces);
  });
  add_norm_pieces(stream_, "layer_norm_backward, its pieces", table, pieces, 2 * d, view_of(rows), false);
}

void CudaDevice::layer_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot,
                                             const float* wb, const float* wb_dot, const float* mean, const float* rstd,
                                             const float* mean_dot, const float* rstd_dot, Mat dx_dot, float* dwb_dot) {
  const int64_t d = x.cols, chunks = ceil_div(x.rows, kNormChunk);
  const Samples table{x.rows, 1, nullptr};
  Workspace workspace(*this);
  float* pieces = workspace.take<float>((chunks + 1) * 2 * d);
  with_pack(dy.type, all_in_packs(d, dy, dy_dot, x, x_dot, dx_dot, wb, wb_dot), [&](auto number, auto pack) {
    using T = decltype(number);
    constexpr int W = decltype(pack)::value;
    launch(stream_, "layer_norm_backward_tangent", chunks, norm_threads(d, W), sums_bytes(2 * d),
           layer_norm_backward_tangent_kernel<T, W>, view_as<T>(dy), view_as<T>(dy_dot), view_of(x), view_of(x_dot), wb,
           wb_dot, mean, rstd, mean_dot, rstd_dot, table, view_of(dx_dot), pieces);
  });
  add_norm_pieces(stream_, "layer_norm_backward_tangent, its pieces", table, pieces, 2 * d, {dwb_dot, 1, 2 * d, 2 * d},
                  true);
}

}  // namespace gradfold::cuda
