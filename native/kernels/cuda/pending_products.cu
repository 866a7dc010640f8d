// Methods under way.
#include "cuda_device.h"
#include "products.h"

namespace gradfold::cuda {

class Products {};
std::shared_ptr<Products> open_products(Stream&) { return std::make_shared<Products>(); }
const char* products_name(const Products&, Type) { return "pending"; }
void CudaDevice::matmul(ConstAnyMat, bool, ConstAnyMat, bool, AnyMat, float) { throw DeviceError("matmul is not there yet"); }
size_t CudaDevice::prepared_bytes(int64_t, int64_t) const { throw DeviceError("prepared_bytes is not there yet"); }
void CudaDevice::prepare_weight(ConstMat, void*) { throw DeviceError("prepare_weight is not there yet"); }
void CudaDevice::apply_weight(ConstAnyMat, const WeightOperand&, bool, AnyMat, float) { throw DeviceError("apply_weight is not there yet"); }
void CudaDevice::sample_products(ConstAnyMat, ConstAnyMat, const SampleStatistics&, const WeightTarget&) { throw DeviceError("sample_products is not there yet"); }
void CudaDevice::attention(const AttentionShape&, ConstAnyMat, AnyMat, float*) { throw DeviceError("attention is not there yet"); }
void CudaDevice::attention_backward(const AttentionShape&, ConstAnyMat, ConstAnyMat, const float*, ConstAnyMat, AnyMat) { throw DeviceError("attention_backward is not there yet"); }
void CudaDevice::attention_tangent(const AttentionShape&, ConstAnyMat, ConstAnyMat, const float*, AnyMat) { throw DeviceError("attention_tangent is not there yet"); }
void CudaDevice::attention_backward_tangent(const AttentionShape&, ConstAnyMat, ConstAnyMat, const float*, ConstAnyMat, ConstAnyMat, AnyMat, AnyMat) { throw DeviceError("attention_backward_tangent is not there yet"); }
void CudaDevice::cross_entropy(ConstMat, const int32_t*, const double*, double*, double*, AnyMat) { throw DeviceError("cross_entropy is not there yet"); }
void CudaDevice::cross_entropy_panel(ConstMat, const int32_t*, int64_t, const double*, const double*, AnyMat) { throw DeviceError("cross_entropy_panel is not there yet"); }
void CudaDevice::cross_entropy_tangent(ConstMat, ConstMat, const int32_t*, const double*, double*, double*, AnyMat, AnyMat) { throw DeviceError("cross_entropy_tangent is not there yet"); }

}  // namespace gradfold::cuda
