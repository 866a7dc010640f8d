// Attention of the CUDA device: forward tangent.
#include "attention_plan.h"
#include "attention_tangent.cuh"
#include "cuda_device.h"

namespace gradfold::cuda {

void CudaDevice::attention_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot, const float* lse,
                                   AnyMat out_dot) {
  const AttentionPlan plan = plan_of(shape, {qkv, qkv_dot}, {out_dot});
  with_head(qkv.type, plan.head_dim, [&](auto number, auto width) {
    using T = decltype(number);
    constexpr int kWidth = width;
    constexpr PassTiles kTiles = TilesOf<T, kWidth>::kTangent;
    using D = TangentDesk<T, kWidth, kTiles.warps, kTiles.cols>;
    launch(stream_, "attention_tangent", attention_grid<D>(plan, plan.heads), D::kThreads, D::kShared,
           attention_tangent_queries<T, kWidth, kTiles.warps, kTiles.cols>, plan, rows_of<T>(qkv), rows_of<T>(qkv_dot),
           lse, rows_of<T>(out_dot));
  });
}

}  // namespace gradfold::cuda
