// The CPU device. Every file that includes this header is compiled once per instruction set with GRADFOLD_ISA naming
// the namespace (avx512, avx2, baseline), so that the widest version can be chosen at run time. Such files use no std::
// templates: the linker would merge their instances across instruction sets.
#pragma once

#include "../kernels.h"
#include "attention_passes.h"
#include "product.h"

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif

namespace gradfold {

namespace GRADFOLD_ISA {

class CpuDevice final : public Device {
 public:
  CpuDevice(int threads, Type precision, const ProductKind& kind);
  ~CpuDevice() override;

  const char* isa() const override;
  const char* gemm() const override { return kind_.name; }
  int threads() const override { return threads_; }
  Type precision() const override { return precision_; }
  size_t workspace_bytes() const override { return kScratchOfThread * static_cast<size_t>(threads_); }

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* from, size_t bytes) override;
  void download(void* to, const void* from, size_t bytes) override;

  void fill(float* x, float value, int64_t count) override;
  void copy(float* to, const float* from, int64_t count) override;
  void scale(float* x, double a, int64_t count) override;
  void axpy(float* y, double a, const float* x, int64_t count) override;
  double dot(const float* x, const float* y, int64_t count) override;

  void matmul(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) override;

  size_t prepared_bytes(int64_t rows, int64_t cols) const override;
  void prepare_weight(ConstMat weight, void* prepared) override;
  void apply_weight(ConstAnyMat x, const WeightOperand& w, bool transpose, AnyMat y, float beta) override;

  void sample_products(ConstAnyMat g, ConstAnyMat x, const SampleStatistics& s, const WeightTarget& t) override;
  void sample_rows(ConstMat rows, const SampleStatistics& s, const WeightTarget& t) override;
  void sample_embedding(const EmbeddingGroups& e, ConstMat dx, const SampleStatistics& s,
                        const WeightTarget& t) override;

  void convert(ConstAnyMat from, AnyMat to) override;
  void gather_rows(ConstAnyMat table, const int32_t* index, AnyMat out) override;
  void add_gathered_rows(ConstMat table, const int32_t* index, Mat out) override;
  void scatter_rows(ConstMat rows, const int32_t* index, Mat out) override;
  void add_bias(const float* bias, AnyMat y) override;
  void sum_rows(ConstAnyMat x, int64_t samples, const int32_t* begin, Mat rows) override;
  void mean_rows(ConstMat x, int64_t samples, const int32_t* begin, Mat rows) override;
  void spread_rows(ConstMat rows, int64_t samples, const int32_t* begin, Mat out) override;

  void rms_norm(ConstMat x, const float* w, double eps, AnyMat y, float* rstd) override;
  void rms_norm_tangent(ConstMat x, ConstMat x_dot, const float* w, const float* w_dot, const float* rstd, AnyMat y_dot,
                        float* rstd_dot) override;
  void rms_norm_backward(ConstAnyMat dy, ConstMat x, const float* w, const float* rstd, int64_t samples,
                         const int32_t* begin, Mat dx, Mat rows) override;
  void rms_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot, const float* w,
                                 const float* w_dot, const float* rstd, const float* rstd_dot, Mat dx_dot,
                                 float* dw_dot) override;

  void layer_norm(ConstMat x, const float* wb, double eps, AnyMat y, float* mean, float* rstd) override;
  void layer_norm_tangent(ConstMat x, ConstMat x_dot, const float* wb, const float* wb_dot, const float* mean,
                          const float* rstd, AnyMat y_dot, float* mean_dot, float* rstd_dot) override;
  void layer_norm_backward(ConstAnyMat dy, ConstMat x, const float* wb, const float* mean, const float* rstd,
                           int64_t samples, const int32_t* begin, Mat dx, Mat rows) override;
  void layer_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot, const float* wb,
                                   const float* wb_dot, const float* mean, const float* rstd, const float* mean_dot,
                                   const float* rstd_dot, Mat dx_dot, float* dwb_dot) override;

  void rotary(AnyMat x, int64_t heads, int64_t head_dim, const float* cos_sin, const int32_t* position,
              int direction) override;

  void attention(const AttentionShape& shape, ConstAnyMat qkv, AnyMat out, float* lse) override;
  void attention_backward(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat out, const float* lse,
                          ConstAnyMat dout, AnyMat dqkv) override;
  void attention_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot, const float* lse,
                         AnyMat out_dot) override;
  void attention_backward_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot, const float* lse,
                                  ConstAnyMat dout, ConstAnyMat dout_dot, AnyMat dqkv, AnyMat dqkv_dot) override;

  void swiglu(ConstAnyMat gate_up, AnyMat act) override;
  void swiglu_tangent(ConstAnyMat gate_up, ConstAnyMat gate_up_dot, AnyMat act_dot) override;
  void swiglu_backward(ConstAnyMat gate_up, ConstAnyMat dact, AnyMat dgate_up) override;
  void swiglu_backward_tangent(ConstAnyMat gate_up, ConstAnyMat gate_up_dot, ConstAnyMat dact, ConstAnyMat dact_dot,
                               AnyMat dgate_up_dot) override;

  void gelu(Gelu form, ConstAnyMat x, AnyMat y) override;
  void gelu_tangent(Gelu form, ConstAnyMat x, ConstAnyMat x_dot, AnyMat y_dot) override;
  void gelu_backward(Gelu form, ConstAnyMat x, ConstAnyMat dy, AnyMat dx) override;
  void gelu_backward_tangent(Gelu form, ConstAnyMat x, ConstAnyMat x_dot, ConstAnyMat dy, ConstAnyMat dy_dot,
                             AnyMat dx_dot) override;

  void cross_entropy(ConstMat logits, const int32_t* label, const double* scale, double* loss, double* lse,
                     AnyMat gradient) override;
  void cross_entropy_panel(ConstMat logits, const int32_t* label, int64_t first, const double* scale, const double* lse,
                           AnyMat gradient) override;
  void one_hot(const int32_t* index, int64_t first, AnyMat out) override;
  void cross_entropy_tangent(ConstMat logits, ConstMat logits_dot, const int32_t* label, const double* scale,
                             double* loss, double* loss_dot, AnyMat gradient, AnyMat gradient_dot) override;

  void random_signs(uint64_t seed, uint64_t stream, Mat out) override;
  void add_sample_outer(ConstMat a, ConstMat b, double scale, int64_t samples, const int32_t* begin, Mat rows) override;

  void adamw(float* theta, float* m, float* v, const float* gradient, const AdamwConstants& c, int64_t count) override;
  void adamw_metric(float* x, const float* v, const AdamwConstants& c, int64_t count) override;
  void adamw_adjoint(float* theta_adjoint, const float* m_adjoint, const float* v_adjoint, float* m, float* v,
                     float* gradient, const AdamwConstants& c, int64_t count) override;

 private:
  /// What kernels and the product library take for a thread: tiles of per-sample products, strips of attention scores,
  /// packed panels.
  static constexpr size_t kScratchOfThread = size_t{4} << 20;

  /// Scratch of one thread, at least this many bytes, kept between calls; contents undefined.
  void* scratch(int thread, size_t bytes);
  /// What attention over matrices of a type runs on, with scratch of that many bytes; throws where there is none.
  const AttentionPasses& passes_of(const AttentionShape& shape, Type type) const;
  AttentionTeam team_with(size_t bytes);
  /// gradient [O × I] += Σ_i w_i G_iᵀ X_i: sample_products where nothing else is wanted.
  void add_weighted_product(ConstAnyMat g, ConstAnyMat x, const SampleStatistics& s, float* gradient);

  int threads_;
  Type precision_;
  ProductKind kind_;
  Product product_;  // kind_'s, or this instruction set's own
  void** scratch_;
  size_t* scratch_bytes_;
};

/// This instruction set's portable blocked product.
void portable_product(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta);

/// What open.cpp calls for each instruction set.
Device* make_cpu_device(int threads, Type precision, const ProductKind& kind);

}  // namespace GRADFOLD_ISA
}  // namespace gradfold
