// Attention of the CUDA device: backward with its tangent.
#include "attention_backward_tangent.cuh"
#include "attention_plan.h"
#include "cuda_device.h"

namespace gradfold::cuda {

void CudaDevice::attention_backward_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot,
                                            const float* lse, ConstAnyMat dout, ConstAnyMat dout_dot, AnyMat dqkv,
                                            AnyMat dqkv_dot) {
  for_key_heads(
      plan_of(shape, {qkv, qkv_dot, dout, dout_dot}, {dqkv, dqkv_dot}), 3,
      [&](const AttentionPlan& plan, int64_t key_heads) {
        const int64_t heads = key_heads * plan.group(), rows = heads * plan.tokens;
        Workspace workspace(*this);
        float* sums = workspace.take<float>(3 * rows);
        const RowSums row_sums{sums, sums + rows, sums + 2 * rows};
        with_head(qkv.type, plan.head_dim, [&](auto number, auto width) {
          using T = decltype(number);
          constexpr int kWidth = width;
          constexpr PassTiles kTiles = TilesOf<T, kWidth>::kDual;
          using D = DualDesk<T, kWidth, kTiles.warps, kTiles.cols>;
          const DualOperands<T> x{rows_of<T>(qkv), rows_of<T>(qkv_dot), rows_of<T>(dout), rows_of<T>(dout_dot), lse};
          const Extent keys = attention_grid<D>(plan, key_heads);
          launch(stream_, "attention_backward_tangent, queries", attention_grid<D>(plan, heads), D::kThreads,
                 D::kShared, attention_dual_queries<T, kWidth, kTiles.warps, kTiles.cols>, plan, x, row_sums,
                 rows_of<T>(dqkv), rows_of<T>(dqkv_dot));
          launch(stream_, "attention_backward_tangent, keys", keys, D::kThreads, D::kShared,
                 attention_dual_keys<T, kWidth, kTiles.warps, kTiles.cols, false>, plan, x, row_sums, rows_of<T>(dqkv),
                 rows_of<T>(dqkv_dot));
          launch(stream_, "attention_backward_tangent, values", keys, D::kThreads, D::kShared,
                 attention_dual_keys<T, kWidth, kTiles.warps, kTiles.cols, true>, plan, x, row_sums, rows_of<T>(dqkv),
                 rows_of<T>(dqkv_dot));
        });
      });
}

}  // namespace gradfold::cuda
