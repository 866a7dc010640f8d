// The CUDA device: kernels.h on an NVIDIA GPU of compute capability 8.0 or above, or in emulation.
//
// One .cu file a family of kernels implements its methods: it picks types and shapes on the host and launches what the
// family's .cuh holds. Methods enqueue and return; only download and dot wait, and what
// is enqueued may begin then or at the next flush. No number depends on which block or
// thread came first.
#pragma once

#include <memory>
#include <vector>

#include "../kernels.h"
#include "runtime.h"
#include "scratch.h"

namespace gradfold::cuda {

class Products;

class CudaDevice final : public Device {
 public:
  /// Throws std::invalid_argument where there is no such device.
  CudaDevice(int device, Type precision);
  ~CudaDevice() override;

  const char* isa() const override { return isa_.c_str(); }
  const char* gemm() const override;
  int threads() const override { return 1; }
  Type precision() const override { return precision_; }
  size_t workspace_bytes() const override;

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* from, size_t bytes) override;
  void download(void* to, const void* from, size_t bytes) override;
  void flush() override { stream_.flush(); }
  int64_t repeated() const override { return stream_.graphs_launched(); }

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

  Stream& stream() { return stream_; }

 private:
  friend class Workspace;

  Stream stream_;
  Scratch scratch_;
  Type precision_;
  std::string isa_;
  std::shared_ptr<Products> products_;  // cuBLASLt's handle where it was found
};

/// Device memory of one method: taken in the stream's order and given back, at the end of its life, after all that was
/// enqueued meanwhile.
class Workspace {
 public:
  explicit Workspace(CudaDevice& device) : device_(device) {}
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  template <class T>
  T* take(int64_t count) {
    return static_cast<T*>(take_bytes(static_cast<size_t>(count) * sizeof(T)));
  }
  /// A table of the host on the device; it may change as soon as this returns.
  template <class T>
  T* table(const T* host, int64_t count) {
    T* memory = take<T>(count);
    device_.upload(memory, host, static_cast<size_t>(count) * sizeof(T));
    return memory;
  }

 private:
  void* take_bytes(size_t bytes);

  struct Taken {
    void* memory;
    size_t bytes;
  };
  CudaDevice& device_;
  std::vector<Taken> taken_;
};

}  // namespace gradfold::cuda
