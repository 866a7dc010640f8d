// The CPU device. Every file that includes this header is compiled once per instruction set with GRADFOLD_ISA naming
// the namespace (avx512, avx2, baseline), so that the widest version can be chosen at run time. Such files use no std::
// templates: the linker would merge their instances across instruction sets.
#pragma once

#include "../kernels.h"
#include "product.h"

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif

namespace gradfold {

namespace GRADFOLD_ISA {

class CpuDevice final : public Device {
 public:
  /// product: null for the portable one of this instruction set.
  CpuDevice(int threads, Product product, const char* product_name);
  ~CpuDevice() override;

  const char* isa() const override;
  const char* gemm() const override { return product_name_; }
  int threads() const override { return threads_; }

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* from, size_t bytes) override;
  void download(void* to, const void* from, size_t bytes) override;

  void fill(float* x, float value, int64_t count) override;
  void copy(float* to, const float* from, int64_t count) override;
  void scale(float* x, double a, int64_t count) override;
  void axpy(float* y, double a, const float* x, int64_t count) override;
  double dot(const float* x, const float* y, int64_t count) override;

  void matmul(ConstMat a, bool transpose_a, ConstMat b, bool transpose_b, Mat c, float beta) override;
  void sample_products(ConstMat g, ConstMat x, const SampleStatistics& s, const WeightTarget& t) override;
  void sample_rows(ConstMat rows, const SampleStatistics& s, const WeightTarget& t) override;
  void sample_embedding(const EmbeddingGroups& e, ConstMat dx, const SampleStatistics& s,
                        const WeightTarget& t) override;

  void gather_rows(ConstMat table, const int32_t* index, Mat out) override;
  void scatter_rows(ConstMat rows, const int32_t* index, Mat out) override;

  void rms_norm(ConstMat x, const float* w, double eps, Mat y, float* rstd) override;
  void rms_norm_tangent(ConstMat x, ConstMat x_dot, const float* w, const float* w_dot, const float* rstd, Mat y_dot,
                        float* rstd_dot) override;
  void rms_norm_backward(ConstMat dy, ConstMat x, const float* w, const float* rstd, int64_t samples,
                         const int32_t* begin, Mat dx, Mat rows) override;
  void rms_norm_backward_tangent(ConstMat dy, ConstMat dy_dot, ConstMat x, ConstMat x_dot, const float* w,
                                 const float* w_dot, const float* rstd, const float* rstd_dot, Mat dx_dot,
                                 float* dw_dot) override;

  void rotary(Mat x, int64_t heads, int64_t head_dim, const float* cos_sin, const int32_t* position,
              int direction) override;

  void attention(const AttentionShape& shape, ConstMat qkv, Mat out, float* lse) override;
  void attention_backward(const AttentionShape& shape, ConstMat qkv, ConstMat out, const float* lse, ConstMat dout,
                          Mat dqkv) override;
  void attention_tangent(const AttentionShape& shape, ConstMat qkv, ConstMat qkv_dot, const float* lse,
                         Mat out_dot) override;
  void attention_backward_tangent(const AttentionShape& shape, ConstMat qkv, ConstMat qkv_dot, const float* lse,
                                  ConstMat dout, ConstMat dout_dot, Mat dqkv, Mat dqkv_dot) override;

  void swiglu(ConstMat gate_up, Mat act) override;
  void swiglu_tangent(ConstMat gate_up, ConstMat gate_up_dot, Mat act_dot) override;
  void swiglu_backward(ConstMat gate_up, ConstMat dact, Mat dgate_up) override;
  void swiglu_backward_tangent(ConstMat gate_up, ConstMat gate_up_dot, ConstMat dact, ConstMat dact_dot,
                               Mat dgate_up_dot) override;

  void cross_entropy(Mat logits, const int32_t* label, const double* scale, double* loss, double* lse) override;
  void cross_entropy_panel(Mat logits, const int32_t* label, int64_t first, const double* scale,
                           const double* lse) override;
  void one_hot(const int32_t* index, int64_t first, Mat out) override;
  void cross_entropy_tangent(Mat logits, Mat logits_dot, const int32_t* label, const double* scale, double* loss,
                             double* loss_dot) override;

  void adamw(float* theta, float* m, float* v, const float* gradient, const AdamwConstants& c, int64_t count) override;

 private:
  /// Scratch of one thread, at least this many bytes, kept between calls; contents undefined.
  void* scratch(int thread, size_t bytes);
  /// gradient [O × I] += Σ_i w_i G_iᵀ X_i: sample_products where nothing else is wanted.
  void add_weighted_product(ConstMat g, ConstMat x, const SampleStatistics& s, float* gradient);

  int threads_;
  Product product_;
  const char* product_name_;
  void** scratch_;
  size_t* scratch_bytes_;
};

/// This instruction set's portable blocked product.
void portable_product(ConstMat a, bool transpose_a, ConstMat b, bool transpose_b, Mat c, float beta);

/// What open.cpp calls for each instruction set.
Device* make_cpu_device(int threads, Product product, const char* product_name);

}  // namespace GRADFOLD_ISA
}  // namespace gradfold
