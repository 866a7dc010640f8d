// The seam between the engine and a device: every operation a device must provide.
//
// Conventions. Matrices are row-major; Mat and ConstMat are float32, AnyMat and ConstAnyMat float32 or bfloat16. What
// is bfloat16 on a device of that precision are operands of matrix products and stored activations; arithmetic on them
// is float32. N: tokens of the batch (padding removed), n: predicted positions,
// d: hidden size. Pointers are memory given out by allocate() of the same device, index tables included, so that a step
// needs no copies in its middle; pointers marked [host] are ordinary memory, read before the call returns. Unless a
// comment says otherwise outputs are overwritten and must not alias inputs. Sums over tokens or parameters accumulate
// in float64 or over short float32 blocks; the order of every reduction depends on the shapes and the thread count
// alone, so equal inputs give equal bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradfold {

/// The upper half of a float32.
struct Bf16 {
  uint16_t bits;
};

enum class Type : int8_t { f32, bf16 };

inline constexpr int64_t size_of(Type type) { return type == Type::f32 ? 4 : 2; }

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

/// The same of float32 or bfloat16 numbers; stride counts numbers.
struct AnyMat {
  void* data;
  int64_t rows, cols, stride;
  Type type;
  AnyMat(void* data_, int64_t rows_, int64_t cols_, int64_t stride_, Type type_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_), type(type_) {}
  AnyMat(const Mat& m) : AnyMat(m.data, m.rows, m.cols, m.stride, Type::f32) {}
};

struct ConstAnyMat {
  const void* data;
  int64_t rows, cols, stride;
  Type type;
  ConstAnyMat(const void* data_, int64_t rows_, int64_t cols_, int64_t stride_, Type type_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_), type(type_) {}
  ConstAnyMat(const ConstMat& m) : ConstAnyMat(m.data, m.rows, m.cols, m.stride, Type::f32) {}
  ConstAnyMat(const Mat& m) : ConstAnyMat(m.data, m.rows, m.cols, m.stride, Type::f32) {}
  ConstAnyMat(const AnyMat& m) : ConstAnyMat(m.data, m.rows, m.cols, m.stride, m.type) {}
};

/// A weight as products take it.
struct WeightOperand {
  ConstMat weight;       // the float32 parameters
  const void* prepared;  // what prepare_weight made of them, or null where prepared_bytes is 0
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
  int64_t window;  // and keys within window − 1 positions of t; 0: no window
  // Tangents are taken too. A device that would round probabilities to bfloat16 may then not, for the sake of second
  // derivatives.
  bool dual = false;
};

/// Rows of an embedding table (of tokens, positions or types) touched by a batch, sorted by (row, sample): group g is
/// the positions [begin[g], begin[g+1]) of `positions`, all with row token[g] and of sample sample[g].
struct EmbeddingGroups {
  int64_t groups;
  const int32_t* token;      // [groups]
  const int32_t* sample;     // [groups]
  const int32_t* begin;      // [groups + 1]
  const int32_t* positions;  // [N] rows of the output gradient
};

/// Gaussian error linear unit (Hendrycks & Gimpel 2016): x Φ(x), or its approximation by tanh.
enum class Gelu : int8_t { erf, tanh };

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
  virtual Type precision() const = 0;  // of stored activations and of the operands of products
  /// The most that kernels take for themselves at one time beside what they are given: tiles, partial sums, packed
  /// panels.
  virtual size_t workspace_bytes() const = 0;

  // ---- memory -----------------------------------------------------------------------------------------------------
  /// 64-byte aligned, contents undefined; throws std::bad_alloc (OutOfMemory where memory is the device's own). May be
  /// called, as release may, on any thread.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void upload(void* to, const void* from /*host*/, size_t bytes) = 0;
  virtual void download(void* to /*host*/, const void* from, size_t bytes) = 0;

  // ---- what repeats -------------------------------------------------------------------------------------------------
  /// Nothing more comes for a while: what was enqueued begins, if it has not. A step is what comes between two of them;
  /// a device may run one that it has run before as a whole.
  virtual void flush() {}
  /// How often it has done that.
  virtual int64_t repeated() const { return 0; }

  // ---- vectors ----------------------------------------------------------------------------------------------------
  virtual void fill(float* x, float value, int64_t count) = 0;
  virtual void copy(float* to, const float* from, int64_t count) = 0;
  /// x *= a
  virtual void scale(float* x, double a, int64_t count) = 0;
  /// y += a x; x may be y
  virtual void axpy(float* y, double a, const float* x, int64_t count) = 0;
  /// Σ x y in float64
  virtual double dot(const float* x, const float* y, int64_t count) = 0;

  // ---- matrix products ----------------------------------------------------------------------------------------------
  /// c = op(a) op(b) + beta c, with op transposing when the flag says so; beta is 0 (c is not read) or 1. a and b are
  /// of one type; c is float32, or bfloat16 where they are.
  virtual void matmul(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) = 0;

  /// Bytes that a weight takes as products of this device want it; 0: they take the float32 weight as it is.
  virtual size_t prepared_bytes(int64_t rows, int64_t cols) const = 0;
  /// Converts and lays out a weight for apply_weight; as long as the weight does not change it need not be done again.
  virtual void prepare_weight(ConstMat weight, void* prepared) = 0;
  /// y = x op(W) + beta y; x is of the device's precision.
  virtual void apply_weight(ConstAnyMat x, const WeightOperand& w, bool transpose, AnyMat y, float beta) = 0;

  /// The weight gradient of y = x Wᵀ and its statistics: g_i = G_iᵀ X_i over the tokens of sample i, G [N × O], X [N ×
  /// I], weight [O × I]; G and X of one type. Never as a whole per sample.
  virtual void sample_products(ConstAnyMat g, ConstAnyMat x, const SampleStatistics& s, const WeightTarget& t) = 0;
  /// The same for a weight of d numbers whose per-sample gradients are given as rows [samples × d].
  virtual void sample_rows(ConstMat rows, const SampleStatistics& s, const WeightTarget& t) = 0;
  /// The same for an embedding table [V × d]: g_i has Σ dx_t in row id_t; equal tokens add up before norms are taken.
  virtual void sample_embedding(const EmbeddingGroups& e, ConstMat dx, const SampleStatistics& s,
                                const WeightTarget& t) = 0;

  // ---- rows ---------------------------------------------------------------------------------------------------------
  /// to = from, converting between types; same shape.
  virtual void convert(ConstAnyMat from, AnyMat to) = 0;
  /// out[r] = table[index[r]], one type; index [out.rows]
  virtual void gather_rows(ConstAnyMat table, const int32_t* index, AnyMat out) = 0;
  /// out[r] += table[index[r]]; index [out.rows]
  virtual void add_gathered_rows(ConstMat table, const int32_t* index, Mat out) = 0;
  /// out[index[r]] = rows[r], other rows of out zero; index [rows.rows] without repeats
  virtual void scatter_rows(ConstMat rows, const int32_t* index, Mat out) = 0;
  /// y[r] += bias [y.cols]
  virtual void add_bias(const float* bias, AnyMat y) = 0;
  /// rows [samples × d]: rows[i] = Σ of x over the tokens [begin[i], begin[i+1]); begin [samples + 1] on the device.
  virtual void sum_rows(ConstAnyMat x, int64_t samples, const int32_t* begin, Mat rows) = 0;
  /// The same divided by the number of tokens; samples without tokens give 0.
  virtual void mean_rows(ConstMat x, int64_t samples, const int32_t* begin, Mat rows) = 0;
  /// The transpose of mean_rows: out[t] = rows[i] / n_i for the tokens t of sample i; other rows of out are left alone.
  virtual void spread_rows(ConstMat rows, int64_t samples, const int32_t* begin, Mat out) = 0;

  // ---- RMSNorm: y = x ∘ r ∘ w with r = (mean(x²) + eps)^(−1/2) per row ----------------------------------------------
  /// rstd [N] receives r.
  virtual void rms_norm(ConstMat x, const float* w, double eps, AnyMat y, float* rstd) = 0;
  /// ẏ and ṙ from (x, ẋ, w, ẇ); rstd as left by rms_norm. rstd_dot [N] receives ṙ.
  virtual void rms_norm_tangent(ConstMat x, ConstMat x_dot, const float* w, const float* w_dot, const float* rstd,
                                AnyMat y_dot, float* rstd_dot) = 0;
  /// dx += the input gradient. rows [samples × d] receives each sample's weight gradient Σ_t dy ∘ x ∘ r; begin [samples
  /// + 1].
  virtual void rms_norm_backward(ConstAnyMat dy, ConstMat x, const float* w, const float* rstd, int64_t samples,
                                 const int32_t* begin, Mat dx, Mat rows) = 0;
  /// Tangent of rms_norm_backward: dx_dot += tangent of the input gradient; dw_dot [d] += tangent of the weight
  /// gradient summed over all tokens.
  virtual void rms_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot, const float* w,
                                         const float* w_dot, const float* rstd, const float* rstd_dot, Mat dx_dot,
                                         float* dw_dot) = 0;

  // ---- LayerNorm: y = (x − μ) r ∘ w + b with r = (var(x) + eps)^(−1/2) per row (Ba et al. 2016) ---------------------
  /// wb [2 d]: w, then b. mean, rstd [N] receive μ and r.
  virtual void layer_norm(ConstMat x, const float* wb, double eps, AnyMat y, float* mean, float* rstd) = 0;
  /// ẏ, μ̇ and ṙ from (x, ẋ, wb, its tangent); mean and rstd as left by layer_norm.
  virtual void layer_norm_tangent(ConstMat x, ConstMat x_dot, const float* wb, const float* wb_dot, const float* mean,
                                  const float* rstd, AnyMat y_dot, float* mean_dot, float* rstd_dot) = 0;
  /// dx += the input gradient. rows [samples × 2 d] receives each sample's Σ_t dy ∘ (x − μ) r, then Σ_t dy; begin
  /// [samples + 1].
  virtual void layer_norm_backward(ConstAnyMat dy, ConstMat x, const float* wb, const float* mean, const float* rstd,
                                   int64_t samples, const int32_t* begin, Mat dx, Mat rows) = 0;
  /// Tangent of layer_norm_backward: dx_dot += tangent of the input gradient; dwb_dot [2 d] += tangent of the
  /// parameter gradient summed over all tokens.
  virtual void layer_norm_backward_tangent(ConstAnyMat dy, ConstAnyMat dy_dot, ConstMat x, ConstMat x_dot,
                                           const float* wb, const float* wb_dot, const float* mean, const float* rstd,
                                           const float* mean_dot, const float* rstd_dot, Mat dx_dot,
                                           float* dwb_dot) = 0;

  // ---- rotary positions (rotate-half layout) ------------------------------------------------------------------------
  /// In place on `heads` heads of head_dim starting at each row of x: (a, b) of dimensions (j, j + head_dim/2) becomes
  /// (a cos − b sin, b cos + a sin) with the angle's table row position[t]; direction −1 turns back (the backward
  /// pass). cos_sin [positions × head_dim]: head_dim/2 cosines, then head_dim/2 sines. position [x.rows].
  virtual void rotary(AnyMat x, int64_t heads, int64_t head_dim, const float* cos_sin, const int32_t* position,
                      int direction) = 0;

  // ---- attention ----------------------------------------------------------------------------------------------------
  /// qkv [N × (heads + 2 kv_heads) head_dim]: queries, keys, values side by side; query head h uses key head h / (heads
  /// / kv_heads). out [N × heads head_dim]. S = scale QKᵀ (masked), P = softmax(S), O = PV. lse [heads × N]:
  /// log-sum-exp of each query's scores. All matrices of one type.
  virtual void attention(const AttentionShape& shape, ConstAnyMat qkv, AnyMat out, float* lse) = 0;
  /// dqkv from dout, recomputing P from lse. A device may use out (rowsum(dout ∘ out) = rowsum(P ∘ dP)) or not.
  virtual void attention_backward(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat out, const float* lse,
                                  ConstAnyMat dout, AnyMat dqkv) = 0;
  /// Ȯ = ṖV + PV̇ with Ṡ = scale(Q̇Kᵀ + QK̇ᵀ), Ṗ = P ∘ (Ṡ − rowsum(P ∘ Ṡ)).
  virtual void attention_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot, const float* lse,
                                 AnyMat out_dot) = 0;
  /// dqkv (as attention_backward) and its tangent from (dout, dout_dot) in one sweep.
  virtual void attention_backward_tangent(const AttentionShape& shape, ConstAnyMat qkv, ConstAnyMat qkv_dot,
                                          const float* lse, ConstAnyMat dout, ConstAnyMat dout_dot, AnyMat dqkv,
                                          AnyMat dqkv_dot) = 0;

  // ---- SwiGLU: act = silu(gate) ∘ up, gate_up [N × 2 ff] = gate then up ---------------------------------------------
  // All matrices of one type.
  virtual void swiglu(ConstAnyMat gate_up, AnyMat act) = 0;
  virtual void swiglu_tangent(ConstAnyMat gate_up, ConstAnyMat gate_up_dot, AnyMat act_dot) = 0;
  virtual void swiglu_backward(ConstAnyMat gate_up, ConstAnyMat dact, AnyMat dgate_up) = 0;
  /// The tangent of swiglu_backward.
  virtual void swiglu_backward_tangent(ConstAnyMat gate_up, ConstAnyMat gate_up_dot, ConstAnyMat dact,
                                       ConstAnyMat dact_dot, AnyMat dgate_up_dot) = 0;

  // ---- GELU: y = x Φ(x), or by tanh ---------------------------------------------------------------------------------
  // All matrices of one type and shape.
  virtual void gelu(Gelu form, ConstAnyMat x, AnyMat y) = 0;
  virtual void gelu_tangent(Gelu form, ConstAnyMat x, ConstAnyMat x_dot, AnyMat y_dot) = 0;
  virtual void gelu_backward(Gelu form, ConstAnyMat x, ConstAnyMat dy, AnyMat dx) = 0;
  /// The tangent of gelu_backward.
  virtual void gelu_backward_tangent(Gelu form, ConstAnyMat x, ConstAnyMat x_dot, ConstAnyMat dy, ConstAnyMat dy_dot,
                                     AnyMat dx_dot) = 0;

  // ---- cross-entropy ------------------------------------------------------------------------------------------------
  /// loss[r] = lse(logits_r) − logits_r[label_r]; label, scale, loss, lse [rows]; lse may be null. Where scale is
  /// given: gradient = scale_r (softmax − one-hot); gradient may be logits itself. Where it is null gradient is not
  /// touched.
  virtual void cross_entropy(ConstMat logits, const int32_t* label, const double* scale, double* loss, double* lse,
                             AnyMat gradient) = 0;
  /// The gradient on a panel of vocabulary columns [first, first + cols) at known lse: gradient =
  /// scale_r (exp(logit − lse_r) − [label_r = first + c]); gradient may be logits itself.
  virtual void cross_entropy_panel(ConstMat logits, const int32_t* label, int64_t first, const double* scale,
                                   const double* lse, AnyMat gradient) = 0;
  /// out[r, c] = 1 where index[r] = first + c, else 0.
  virtual void one_hot(const int32_t* index, int64_t first, AnyMat out) = 0;
  /// The dual form: also loss_dot[r] = Σ_v p_v L̇_v − L̇_label, and with scale gradient = scale (p − one-hot),
  /// gradient_dot = scale p ∘ (L̇ − Σ_v p_v L̇_v); they may be logits and logits_dot themselves.
  virtual void cross_entropy_tangent(ConstMat logits, ConstMat logits_dot, const int32_t* label, const double* scale,
                                     double* loss, double* loss_dot, AnyMat gradient, AnyMat gradient_dot) = 0;

  // ---- random projections -------------------------------------------------------------------------------------------
  /// out[r, c] = ±1 by a fair coin for each entry (lib/random.ts, signs): a function of (seed, stream, r · cols + c).
  virtual void random_signs(uint64_t seed, uint64_t stream, Mat out) = 0;
  /// rows [samples × (a.cols · b.cols)]: rows[i] += scale Σ_t a_t ⊗ b_t over the tokens of sample i; begin [samples +
  /// 1].
  virtual void add_sample_outer(ConstMat a, ConstMat b, double scale, int64_t samples, const int32_t* begin,
                                Mat rows) = 0;

  // ---- optimizers ---------------------------------------------------------------------------------------------------
  /// m ← β1 m + (1−β1) s g; v ← β2 v + (1−β2) (s g)²;
  /// θ ← θ − lr·wd·θ − lr (m/correction1) / (√(v/correction2) + eps), s = gradient_scale.
  virtual void adamw(float* theta, float* m, float* v, const float* gradient, const AdamwConstants& c,
                     int64_t count) = 0;
  /// x ← x / (√((β2 v + (1−β2) x²) / correction2) + eps), the scale that adamw would give x as the next gradient.
  virtual void adamw_metric(float* x, const float* v, const AdamwConstants& c, int64_t count) = 0;
  /// The reverse of adamw for a scalar L of what it left. On entry m, v and gradient are what that step was given;
  /// theta_adjoint, m_adjoint and v_adjoint are ∂L by the updated θ, m and v (the latter two null where zero). On
  /// return theta_adjoint, m, v hold ∂L by θ, m and v before the step, gradient holds ∂L by the clipped gradient s g.
  /// √v counts as constant where the updated v is 0: every gradient so far was.
  virtual void adamw_adjoint(float* theta_adjoint, const float* m_adjoint, const float* v_adjoint, float* m, float* v,
                             float* gradient, const AdamwConstants& c, int64_t count) = 0;
};

}  // namespace gradfold
