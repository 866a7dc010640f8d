// Attention of the CUDA device: forward and backward.
#include "attention_backward.cuh"
#include "attention_forward.cuh"
#include "attention_plan.h"
#include "cuda_device.h"

namespace gradfold::cuda {

void CudaDevice::attention(const AttentionShape& shape, ConstAnyMat qkv, AnyMat out, float* lse) {
  const AttentionPlan plan = plan_of(shape, {qkv}, {out});
  with_head(qkv.type, plan.head_dim, [&](auto number, auto width) {
    using T = decltype(number);
    constexpr int kWidth = width;
    constexpr PassTiles kTiles = TilesOf<T, kWidth>::kForward;
    using D = ForwardDesk<T, kWidth, kTiles.warps, kTiles.cols>;
    launch(stream_, "attention", attention_grid<D>(plan, plan.heads), D::kThreads, D::kShared,
           attention_forward<T, kWidth, kTiles.warps, kTiles.cols>, plan, rows_of<T>(qkv), rows_of<T>(out), lse);
  });
}

void CudaDevice::attention_backward(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat out, const float* lse,
                                    ConstAnyMat dout, AnyMat dqkv) {
  for_key_heads(plan_of(shape, {qkv, out, dout}, {dqkv}), 1, [&](const AttentionPlan& plan, int64_t key_heads) {
    const int64_t heads = key_heads * plan.group();
    Workspace workspace(*this);
    float* d = workspace.take<float>(heads * plan.tokens);
    with_head(qkv.type, plan.head_dim, [&](auto number, auto width) {
      using T = decltype(number);
      constexpr int kWidth = width;
      constexpr PassTiles kTiles = TilesOf<T, kWidth>::kBackward;
      using D = BackwardDesk<T, kWidth, kTiles.warps, kTiles.cols>;
      launch(stream_, "attention_backward, queries", attention_grid<D>(plan, heads), D::kThreads, D::kShared,
             attention_backward_queries<T, kWidth, kTiles.warps, kTiles.cols>, plan, rows_of<T>(qkv), rows_of<T>(out),
             lse, rows_of<T>(dout), rows_of<T>(dqkv), d);
      launch(stream_, "attention_backward, keys", attention_grid<D>(plan, key_heads), D::kThreads, D::kShared,
             attention_backward_keys<T, kWidth, kTiles.warps, kTiles.cols>, plan, rows_of<T>(qkv), lse,
             rows_of<T>(dout), d, rows_of<T>(dqkv));
    });
  });
}

}  // namespace gradfold::cuda
