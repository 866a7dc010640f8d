// Methods under way.
#include "cuda_device.h"
#include "products.h"

namespace gradfold::cuda {

void CudaDevice::sample_rows(ConstMat, const SampleStatistics&, const WeightTarget&) { throw DeviceError("sample_rows is not there yet"); }
void CudaDevice::sample_embedding(const EmbeddingGroups&, ConstMat, const SampleStatistics&, const WeightTarget&) { throw DeviceError("sample_embedding is not there yet"); }
void CudaDevice::layer_norm(ConstMat, const float*, double, AnyMat, float*, float*) { throw DeviceError("layer_norm is not there yet"); }
void CudaDevice::layer_norm_tangent(ConstMat, ConstMat, const float*, const float*, const float*, const float*, AnyMat, float*, float*) { throw DeviceError("layer_norm_tangent is not there yet"); }
void CudaDevice::layer_norm_backward(ConstAnyMat, ConstMat, const float*, const float*, const float*, int64_t, const int32_t*, Mat, Mat) { throw DeviceError("layer_norm_backward is not there yet"); }
void CudaDevice::layer_norm_backward_tangent(ConstAnyMat, ConstAnyMat, ConstMat, ConstMat, const float*, const float*, const float*, const float*, const float*, const float*, Mat, float*) { throw DeviceError("layer_norm_backward_tangent is not there yet"); }
void CudaDevice::random_signs(uint64_t, uint64_t, Mat) { throw DeviceError("random_signs is not there yet"); }
void CudaDevice::add_sample_outer(ConstMat, ConstMat, double, int64_t, const int32_t*, Mat) { throw DeviceError("add_sample_outer is not there yet"); }
void CudaDevice::adamw(float*, float*, float*, const float*, const AdamwConstants&, int64_t) { throw DeviceError("adamw is not there yet"); }
void CudaDevice::adamw_metric(float*, const float*, const AdamwConstants&, int64_t) { throw DeviceError("adamw_metric is not there yet"); }
void CudaDevice::adamw_adjoint(float*, const float*, const float*, float*, float*, float*, const AdamwConstants&, int64_t) { throw DeviceError("adamw_adjoint is not there yet"); }

}  // namespace gradfold::cuda
