// Moving, converting, adding and summing rows.
#pragma once

#include "samples.cuh"

namespace gradfold::cuda {

template <class From, class To>
struct ConvertOp {
  View<const From> from;
  View<To> to;

  template <int W>
  __device__ void apply(int64_t r, int64_t c) const {
    float values[W];
    load_pack<W>(from.row(r) + c, values);
    store_pack<W>(to.row(r) + c, values);
  }
};

/// out[r] = table[index[r]]
template <class T>
struct GatherOp {
  View<const T> table;
  const int32_t* index;
  View<T> out;

  template <int W>
  __device__ void apply(int64_t r, int64_t c) const {
    using Numbers = Pack<T, W>;
    *reinterpret_cast<Numbers*>(out.row(r) + c) = *reinterpret_cast<const Numbers*>(table.row(index[r]) + c);
  }
};

/// out[r] += table[index[r]]
struct AddGatheredOp {
  View<const float> table;
  const int32_t* index;
  View<float> out;

  template <int W>
  __device__ void apply(int64_t r, int64_t c) const {
    float add[W], values[W];
    load_pack<W>(table.row(index[r]) + c, add);
    load_pack<W>(out.row(r) + c, values);
#pragma unroll
    for (int i = 0; i < W; ++i) values[i] += add[i];
    store_pack<W>(out.row(r) + c, values);
  }
};

struct ZeroOp {
  View<float> out;

  template <int W>
  __device__ void apply(int64_t r, int64_t c) const {
    const float zeros[W] = {};
    store_pack<W>(out.row(r) + c, zeros);
  }
};

/// out[index[r]] = rows[r]
struct ScatterOp {
  View<const float> rows;
  const int32_t* index;
  View<float> out;

  template <int W>
  __device__ void apply(int64_t r, int64_t c) const {
    float values[W];
    load_pack<W>(rows.row(r) + c, values);
    store_pack<W>(out.row(index[r]) + c, values);
  }
};

/// y[r] += bias
template <class T>
struct AddBiasOp {
  const float* bias;
  View<T> y;

  template <int W>
  __device__ void apply(int64_t r, int64_t c) const {
    float add[W], values[W];
    load_pack<W>(bias + c, add);
    load_pack<W>(y.row(r) + c, values);
#pragma unroll
    for (int i = 0; i < W; ++i) values[i] += add[i];
    store_pack<W>(y.row(r) + c, values);
  }
};

/// out[r, c] = 1 where index[r] = first + c, else 0
template <class T>
struct OneHotOp {
  const int32_t* index;
  int64_t first;
  View<T> out;

  template <int W>
  __device__ void apply(int64_t r, int64_t c) const {
    const int64_t column = index[r] - first - c;
    float values[W];
#pragma unroll
    for (int i = 0; i < W; ++i) values[i] = column == i ? 1.0f : 0.0f;
    store_pack<W>(out.row(r) + c, values);
  }
};

/// A pair of dimensions of a head: (a, b) becomes (a cos − b sin, b cos + a sin); column c is pair c % half of head
/// c / half.
template <class T>
struct RotaryOp {
  View<T> x;
  int64_t half;
  const float* cos_sin;
  const int32_t* position;
  float sign;

  template <int W>
  __device__ void apply(int64_t r, int64_t c) const {
    const int64_t head = c / half, j = c - head * half;
    T *a = x.row(r) + head * 2 * half + j, *b = a + half;
    const float* cosine = cos_sin + int64_t(position[r]) * 2 * half + j;
    float as[W], bs[W], cosines[W], sines[W];
    load_pack<W>(a, as);
    load_pack<W>(b, bs);
    load_pack<W>(cosine, cosines);
    load_pack<W>(cosine + half, sines);
#pragma unroll
    for (int i = 0; i < W; ++i) {
      const float s = sign * sines[i], first = as[i], second = bs[i];
      as[i] = first * cosines[i] - second * s;
      bs[i] = second * cosines[i] + first * s;
    }
    store_pack<W>(a, as);
    store_pack<W>(b, bs);
  }
};

/// out[t] = rows[i] / n_i for the tokens t of sample i
struct SpreadOp {
  View<const float> rows;
  Samples samples;
  View<float> out;

  template <int W>
  __device__ void apply(int64_t t, int64_t c) const {
    const int64_t i = samples.of(t);
    if (i == samples.count || t < samples.first(i)) return;
    const float tokens = float(samples.end(i) - samples.first(i));
    float values[W];
    load_pack<W>(rows.row(i) + c, values);
#pragma unroll
    for (int k = 0; k < W; ++k) values[k] /= tokens;
    store_pack<W>(out.row(t) + c, values);
  }
};

/// Threads of a block that sums rows, one column each, and tokens summed in float32 before float64 takes over.
constexpr int kSumThreads = 128, kShortRun = 16;

/// The pieces (samples.cuh) of Σ x over tokens: pieces [chunks + samples × cols].
template <class T>
__global__ void __launch_bounds__(kSumThreads)
    sum_pieces_kernel(View<const T> x, Samples samples, int64_t length, double* pieces) {
  const int64_t c = int64_t(blockIdx.x) * kSumThreads + threadIdx.x;
  if (c >= x.cols) return;
  double sum = 0.0;
  float run = 0.0f;
  int added = 0;
  walk_pieces(
      samples, blockIdx.y, length,
      [&] {
        sum = 0.0;
        run = 0.0f;
        added = 0;
      },
      [&](int64_t t) {
        run += to_float(x.row(t)[c]);
        if (++added % kShortRun != 0) return;
        sum += run;
        run = 0.0f;
      },
      [&](int64_t piece) { pieces[piece * x.cols + c] = sum + run; });
}

}  // namespace gradfold::cuda
