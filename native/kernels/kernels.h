// The seam between the engine and a device: every operation a device must provide.
//
// Conventions. Matrices are row-major float32. N: tokens of the batch (padding removed), n: predicted positions,
// d: hidden size. Pointers are memory given out by allocate() of the same device, index tables included, so that a step
// needs no copies in its middle; pointers marked [host] are ordinary memory, read before the call returns. Unless a
// comment says otherwise outputs are overwritten and must not alias inputs. Sums over tokens or parameters accumulate
// in float64 or over short float32 blocks; the order of every reduction depends on the shapes and the thread count
// alone, so equal inputs give equal bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradfold {

/// A row-major view: element (r, c) is data[r * stride + c].
struct Mat {
  float* data;
  int64_t rows, cols, stride;
};

struct ConstMat {
  const float* data;
  int64_t rows, cols, stride;
  ConstMat(const float* data_, int64_t rows_, int64_t cols_, int64_t stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}
  ConstMat(const Mat& m) : data(m.data), rows(m.rows), cols(m.cols), stride(m.stride) {}
};

/// Per-sample statistics of one backward pass, summed over all weights. Null where not wanted.
struct SampleStatistics {
  int64_t samples;
  const int32_t* begin;  // [host, samples + 1] token range of each sample, contiguous and ascending
  const float* weights;  // [samples] w_i of the weighted gradient
  double* norms2;        // [samples] += ‖g_i‖²
  int64_t vectors;       // number of v_k
  double* dots;          // [vectors × samples] += ⟨g_i, v_k⟩
  double* gram;          // [samples × samples] += ⟨g_i, g_j⟩, both halves
};

/// Where one weight's gradients go; pointers already stand at that weight's offset.
struct WeightTarget {
  float* gradient;              // += Σ_i w_i g_i, or null
  const float* const* vectors;  // [host] v_k, as many as SampleStatistics::vectors
  float* const* gradients;      // [host, samples] += g_i, or null
};

/// Attention segments: tokens of a segment see only that segment.
struct AttentionShape {
  int64_t segments;
  const int32_t* begin;  // [segments + 1] token ranges
  int64_t longest;       // tokens of the longest segment
  int64_t heads, kv_heads, head_dim;
  float scale;     // of QKᵀ, usually 1/√head_dim
  bool causal;     // query t sees keys ≤ t
  int64_t window;  // and keys > t − window; 0: no window
};

/// Rows of an embedding table touched by a batch, sorted by (token id, sample): group g is the positions
/// [begin[g], begin[g+1]) of `positions`, all with id token[g] and of sample sample[g].
struct EmbeddingGroups {
  int64_t groups;
  const int32_t* token;      // [groups]
  const int32_t* sample;     // [groups]
  const int32_t* begin;      // [groups + 1]
  const int32_t* positions;  // [N] rows of the output gradient
};

struct AdamwConstants {
  double lr, beta1, beta2, eps, weight_decay;
  double correction1, correction2;  // 1 − βᵏ of this step
  double gradient_scale;            // clipping factor applied to the gradient on the fly
};

class Device {
 public:
  virtual ~Device() = default;

  // ---- what it is -------------------------------------------------------------------------------------------------
  virtual const char* isa() const = 0;   // "avx512", "avx2", "baseline", "sm_90"
  virtual const char* gemm() const = 0;  // "oneDNN 2.6.3", "portable"
  virtual int threads() const = 0;

  // ---- memory -----------------------------------------------------------------------------------------------------
  /// 64-byte aligned, contents undefined; throws std::bad_alloc.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void upload(void* to, const void* from /*host*/, size_t bytes) = 0;
  virtual void download(void* to /*host*/, const void* from, size_t bytes) = 0;

  // ---- vectors ----------------------------------------------------------------------------------------------------
  virtual void fill(float* x, float value, int64_t count) = 0;
  virtual void copy(float* to, const float* from, int64_t count) = 0;
  /// x *= a
  virtual void scale(float* x, double a, int64_t count) = 0;
  /// y += a x; x may be y
  virtual void axpy(float* y, double a, const float* x, int64_t count) = 0;
  /// Σ x y in float64
  virtual double dot(const float* x, const float* y, int64_t count) = 0;

  // ---- matrix products --------------------------------------------------------------------------------------------
  /// c = op(a) op(b) + beta c, with op transposing when the flag says so; beta is 0 (c is not read) or 1.
  virtual void matmul(ConstMat a, bool transpose_a, ConstMat b, bool transpose_b, Mat c, float beta) = 0;

  /// The weight gradient of y = x Wᵀ and its statistics: g_i = G_iᵀ X_i over the tokens of sample i, G [N × O], X [N ×
  /// I], weight [O × I]. Formed tile by tile of W, never as a whole per sample.
  virtual void sample_products(ConstMat g, ConstMat x, const SampleStatistics& s, const WeightTarget& t) = 0;
  /// The same for a weight of d numbers whose per-sample gradients are given as rows [samples × d].
  virtual void sample_rows(ConstMat rows, const SampleStatistics& s, const WeightTarget& t) = 0;
  /// The same for an embedding table [V × d]: g_i has Σ dx_t in row id_t; equal tokens add up before norms are taken.
  virtual void sample_embedding(const EmbeddingGroups& e, ConstMat dx, const SampleStatistics& s,
                                const WeightTarget& t) = 0;

  // ---- embedding and gathers ----------------------------------------------------------------------------------------
  /// out[r] = table[index[r]]; index [out.rows]
  virtual void gather_rows(ConstMat table, const int32_t* index, Mat out) = 0;
  /// out[index[r]] = rows[r], other rows of out zero; index [rows.rows] without repeats
  virtual void scatter_rows(ConstMat rows, const int32_t* index, Mat out) = 0;

  // ---- RMSNorm: y = x ∘ r ∘ w with r = (mean(x²) + eps)^(−1/2) per row
  // ------------------------------------------------
  /// rstd [N] receives r.
  virtual void rms_norm(ConstMat x, const float* w, double eps, Mat y, float* rstd) = 0;
  /// ẏ and ṙ from (x, ẋ, w, ẇ); rstd as left by rms_norm. rstd_dot [N] receives ṙ.
  virtual void rms_norm_tangent(ConstMat x, ConstMat x_dot, const float* w, const float* w_dot, const float* rstd,
                                Mat y_dot, float* rstd_dot) = 0;
  /// dx += the input gradient. rows [samples × d] receives each sample's weight gradient Σ_t dy ∘ x ∘ r; begin [samples
  /// + 1].
  virtual void rms_norm_backward(ConstMat dy, ConstMat x, const float* w, const float* rstd, int64_t samples,
                                 const int32_t* begin, Mat dx, Mat rows) = 0;
  /// Tangent of rms_norm_backward: dx_dot += tangent of the input gradient; dw_dot [d] += tangent of the weight
  /// gradient summed over all tokens.
  virtual void rms_norm_backward_tangent(ConstMat dy, ConstMat dy_dot, ConstMat x, ConstMat x_dot, const float* w,
                                         const float* w_dot, const float* rstd, const float* rstd_dot, Mat dx_dot,
                                         float* dw_dot) = 0;

  // ---- rotary positions (rotate-half layout)
  // --------------------------------------------------------------------------
  /// In place on `heads` heads of head_dim starting at each row of x: (a, b) of dimensions (j, j + head_dim/2) becomes
  /// (a cos − b sin, b cos + a sin) with the angle's table row position[t]; direction −1 turns back (the backward
  /// pass). cos_sin [positions × head_dim]: head_dim/2 cosines, then head_dim/2 sines. position [x.rows].
  virtual void rotary(Mat x, int64_t heads, int64_t head_dim, const float* cos_sin, const int32_t* position,
                      int direction) = 0;

  // ---- attention
  // ------------------------------------------------------------------------------------------------------ qkv [N ×
  // (heads + 2 kv_heads) head_dim]: queries, keys, values side by side; query head h uses key head h / (heads /
  // kv_heads). out [N × heads head_dim]. S = scale QKᵀ (masked), P = softmax(S), O = PV. lse [heads × N]: log-sum-exp
  // of each query's scores.
  virtual void attention(const AttentionShape& shape, ConstMat qkv, Mat out, float* lse) = 0;
  /// dqkv from dout, recomputing P from lse. A device may use out (rowsum(dout ∘ out) = rowsum(P ∘ dP)) or not.
  virtual void attention_backward(const AttentionShape& shape, ConstMat qkv, ConstMat out, const float* lse,
                                  ConstMat dout, Mat dqkv) = 0;
  /// Ȯ = ṖV + PV̇ with Ṡ = scale(Q̇Kᵀ + QK̇ᵀ), Ṗ = P ∘ (Ṡ − rowsum(P ∘ Ṡ)).
  virtual void attention_tangent(const AttentionShape& shape, ConstMat qkv, ConstMat qkv_dot, const float* lse,
                                 Mat out_dot) = 0;
  /// dqkv (as attention_backward) and its tangent from (dout, dout_dot) in one sweep.
  virtual void attention_backward_tangent(const AttentionShape& shape, ConstMat qkv, ConstMat qkv_dot, const float* lse,
                                          ConstMat dout, ConstMat dout_dot, Mat dqkv, Mat dqkv_dot) = 0;

  // ---- SwiGLU: act = silu(gate) ∘ up, gate_up [N × 2 ff] = gate then up
  // -----------------------------------------------
  virtual void swiglu(ConstMat gate_up, Mat act) = 0;
  virtual void swiglu_tangent(ConstMat gate_up, ConstMat gate_up_dot, Mat act_dot) = 0;
  virtual void swiglu_backward(ConstMat gate_up, ConstMat dact, Mat dgate_up) = 0;
  /// The tangent of swiglu_backward.
  virtual void swiglu_backward_tangent(ConstMat gate_up, ConstMat gate_up_dot, ConstMat dact, ConstMat dact_dot,
                                       Mat dgate_up_dot) = 0;

  // ---- cross-entropy
  // --------------------------------------------------------------------------------------------------
  /// loss[r] = lse(logits_r) − logits_r[label_r]; label, scale, loss, lse [rows]; lse may be null.
  /// With scale: logits become scale_r (softmax − one-hot) in place; scale null: logits are left as they are.
  virtual void cross_entropy(Mat logits, const int32_t* label, const double* scale, double* loss, double* lse) = 0;
  /// The gradient on a panel of vocabulary columns [first, first + cols) at known lse: logits become
  /// scale_r (exp(logit − lse_r) − [label_r = first + c]) in place.
  virtual void cross_entropy_panel(Mat logits, const int32_t* label, int64_t first, const double* scale,
                                   const double* lse) = 0;
  /// out[r, c] = 1 where index[r] = first + c, else 0.
  virtual void one_hot(const int32_t* index, int64_t first, Mat out) = 0;
  /// The dual form: also loss_dot[r] = Σ_v p_v L̇_v − L̇_label, and in place logits → scale (p − one-hot),
  /// logits_dot → scale p ∘ (L̇ − Σ_v p_v L̇_v).
  virtual void cross_entropy_tangent(Mat logits, Mat logits_dot, const int32_t* label, const double* scale,
                                     double* loss, double* loss_dot) = 0;

  // ---- optimizers
  // -----------------------------------------------------------------------------------------------------
  /// m ← β1 m + (1−β1) s g; v ← β2 v + (1−β2) (s g)²;
  /// θ ← θ − lr·wd·θ − lr (m/correction1) / (√(v/correction2) + eps), s = gradient_scale.
  virtual void adamw(float* theta, float* m, float* v, const float* gradient, const AdamwConstants& c,
                     int64_t count) = 0;
};

}  // namespace gradfold
