// A device that computes nothing and counts memory: an engine run on it takes what the same run on a real device would
// take, from shapes alone.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "../kernels/kernels.h"

namespace gradfold {

class PlanningDevice final : public Device {
 public:
  /// Weights are prepared and numbers stored as the real device does.
  explicit PlanningDevice(const Device& real) : real_(real) {}

  /// Largest number of bytes held at one time.
  size_t peak() const { return peak_; }

  const char* isa() const override { return real_.isa(); }
  const char* gemm() const override { return real_.gemm(); }
  int threads() const override { return real_.threads(); }
  Type precision() const override { return real_.precision(); }
  size_t workspace_bytes() const override { return real_.workspace_bytes(); }

  /// An address that is never read.
  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void*, const void*, size_t) override {}
  void download(void*, const void*, size_t) override {}

  void fill(float*, float, int64_t) override {}
  void copy(float*, const float*, int64_t) override {}
  void scale(float*, double, int64_t) override {}
  void axpy(float*, double, const float*, int64_t) override {}
  double dot(const float*, const float*, int64_t) override { return 0; }

  void matmul(ConstAnyMat, bool, ConstAnyMat, bool, AnyMat, float) override {}
  size_t prepared_bytes(int64_t rows, int64_t cols) const override { return real_.prepared_bytes(rows, cols); }
  void prepare_weight(ConstMat, void*) override {}
  void apply_weight(ConstAnyMat, const WeightOperand&, bool, AnyMat, float) override {}
  void sample_products(ConstAnyMat, ConstAnyMat, const SampleStatistics&, const WeightTarget&) override {}
  void sample_rows(ConstMat, const SampleStatistics&, const WeightTarget&) override {}
  void sample_embedding(const EmbeddingGroups&, ConstMat, const SampleStatistics&, const WeightTarget&) override {}

  void convert(ConstAnyMat, AnyMat) override {}
  void gather_rows(ConstAnyMat, const int32_t*, AnyMat) override {}
  void add_gathered_rows(ConstMat, const int32_t*, Mat) override {}
  void scatter_rows(ConstMat, const int32_t*, Mat) override {}
  void add_bias(const float*, AnyMat) override {}
  void sum_rows(ConstAnyMat, int64_t, const int32_t*, Mat) override {}
  void mean_rows(ConstMat, int64_t, const int32_t*, Mat) override {}
  void spread_rows(ConstMat, int64_t, const int32_t*, Mat) override {}

  void rms_norm(ConstMat, const float*, double, AnyMat, float*) override {}
  void rms_norm_tangent(ConstMat, ConstMat, const float*, const float*, const float*, AnyMat, float*) override {}
  void rms_norm_backward(ConstAnyMat, ConstMat, const float*, const float*, int64_t, const int32_t*, Mat,
                         Mat) override {}
  void rms_norm_backward_tangent(ConstAnyMat, ConstAnyMat, ConstMat, ConstMat, const float*, const float*, const float*,
                                 const float*, Mat, float*) override {}

  void layer_norm(ConstMat, const float*, double, AnyMat, float*, float*) override {}
  void layer_norm_tangent(ConstMat, ConstMat, const float*, const float*, const float*, const float*, AnyMat, float*,
                          float*) override {}
  void layer_norm_backward(ConstAnyMat, ConstMat, const float*, const float*, const float*, int64_t, const int32_t*,
                           Mat, Mat) override {}
  void layer_norm_backward_tangent(ConstAnyMat, ConstAnyMat, ConstMat, ConstMat, const float*, const float*,
                                   const float*, const float*, const float*, const float*, Mat, float*) override {}

  void rotary(AnyMat, int64_t, int64_t, const float*, const int32_t*, int) override {}

  void attention(const AttentionShape&, ConstAnyMat, AnyMat, float*) override {}
  void attention_backward(const AttentionShape&, ConstAnyMat, ConstAnyMat, const float*, ConstAnyMat, AnyMat) override {
  }
  void attention_tangent(const AttentionShape&, ConstAnyMat, ConstAnyMat, const float*, AnyMat) override {}
  void attention_backward_tangent(const AttentionShape&, ConstAnyMat, ConstAnyMat, const float*, ConstAnyMat,
                                  ConstAnyMat, AnyMat, AnyMat) override {}

  void swiglu(ConstAnyMat, AnyMat) override {}
  void swiglu_tangent(ConstAnyMat, ConstAnyMat, AnyMat) override {}
  void swiglu_backward(ConstAnyMat, ConstAnyMat, AnyMat) override {}
  void swiglu_backward_tangent(ConstAnyMat, ConstAnyMat, ConstAnyMat, ConstAnyMat, AnyMat) override {}

  void gelu(Gelu, ConstAnyMat, AnyMat) override {}
  void gelu_tangent(Gelu, ConstAnyMat, ConstAnyMat, AnyMat) override {}
  void gelu_backward(Gelu, ConstAnyMat, ConstAnyMat, AnyMat) override {}
  void gelu_backward_tangent(Gelu, ConstAnyMat, ConstAnyMat, ConstAnyMat, ConstAnyMat, AnyMat) override {}

  void cross_entropy(ConstMat, const int32_t*, const double*, double*, double*, AnyMat) override {}
  void cross_entropy_panel(ConstMat, const int32_t*, int64_t, const double*, const double*, AnyMat) override {}
  void one_hot(const int32_t*, int64_t, AnyMat) override {}
  void cross_entropy_tangent(ConstMat, ConstMat, const int32_t*, const double*, double*, double*, AnyMat,
                             AnyMat) override {}

  void random_signs(uint64_t, uint64_t, Mat) override {}
  void add_sample_outer(ConstMat, ConstMat, double, int64_t, const int32_t*, Mat) override {}

  void adamw(float*, float*, float*, const float*, const AdamwConstants&, int64_t) override {}
  void adamw_metric(float*, const float*, const AdamwConstants&, int64_t) override {}
  void adamw_adjoint(float*, const float*, const float*, float*, float*, float*, const AdamwConstants&,
                     int64_t) override {}

 private:
  const Device& real_;
  std::unordered_map<void*, size_t> held_;
  uintptr_t next_ = uintptr_t{1} << 32;
  size_t now_ = 0, peak_ = 0;
};

}  // namespace gradfold
