// RMSNorm of the CUDA device.
#include "norms.h"

namespace gradfold::cuda {

void CudaDevice::rms_norm(ConstMat x, const float* w, double eps, AnyMat y, float* rstd) {
  run_norm<false>(stream_, "rms_norm", x, w, eps, y, nullptr, rstd);
}

void CudaDevice::rms_norm_tangent(ConstMat x, ConstMat x_dot, const float* w, const float* w_dot, const float* rstd,
                                  AnyMat y_dot, float* rstd_dot) {
  run_norm_tangent<false>(stream_, "rms_norm_tangent", x, x_dot, w, w_dot, nullptr, rstd, y_dot, nullptr, rstd_dot);
}

void CudaDevice::rms_norm_backward(ConstAnyMat dy, ConstMat x, const float* w, const float* rstd, int64_t samples,
                                   const int32_t* begin, Mat dx, Mat rows) {
  run_norm_backward<false>(*this, "rms_norm_backward", dy, x, w, nullptr, rstd, samples, begin, dx, rows);
}

void CudaDevice::rms_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot,
                                           const float* w, const float* w_dot, const float* rstd, const float* rstd_dot,
                                           Mat dx_dot, float* dw_dot) {
  run_norm_backward_tangent<false>(*this, "rms_norm_backward_tangent", dy, dy_dot, x, x_dot, w, w_dot, nullptr, rstd,
                                   nullptr, rstd_dot, dx_dot, dw_dot);
}

}  // namespace gradfold::cuda
