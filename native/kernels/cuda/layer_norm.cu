// LayerNorm of the CUDA device.
#include "norms.h"

namespace gradfold::cuda {

void CudaDevice::layer_norm(ConstMat x, const float* wb, double eps, AnyMat y, float* mean, float* rstd) {
  run_norm<true>(stream_, "layer_norm", x, wb, eps, y, mean, rstd);
}

void CudaDevice::layer_norm_tangent(ConstMat x, ConstMat x_dot, const float* wb, const float* wb_dot, const float* mean,
                                    const float* rstd, AnyMat y_dot, float* mean_dot, float* rstd_dot) {
  run_norm_tangent<true>(stream_, "layer_norm_tangent", x, x_dot, wb, wb_dot, mean, rstd, y_dot, mean_dot, rstd_dot);
}

void CudaDevice::layer_norm_backward(ConstAnyMat dy, ConstMat x, const float* wb, const float* mean, const float* rstd,
                                     int64_t samples, const int32_t* begin, Mat dx, Mat rows) {
  run_norm_backward<true>(*this, "layer_norm_backward", dy, x, wb, mean, rstd, samples, begin, dx, rows);
}

void CudaDevice::layer_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot,
                                             const float* wb, const float* wb_dot, const float* mean, const float* rstd,
                                             const float* mean_dot, const float* rstd_dot, Mat dx_dot, float* dwb_dot) {
  run_norm_backward_tangent<true>(*this, "layer_norm_backward_tangent", dy, dy_dot, x, x_dot, wb, wb_dot, mean, rstd,
                                  mean_dot, rstd_dot, dx_dot, dwb_dot);
}

}  // namespace gradfold::cuda
