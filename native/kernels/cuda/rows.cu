// Rows of the CUDA device.
#include "cuda_device.h"
#include "elementwise.h"
#include "rows.cuh"
#include "samples.h"
#include "types.h"

namespace gradfold::cuda {

namespace {

/// Numbers of one 16-byte load where the widest type has `bytes`.
constexpr int pack_of(size_t bytes) { return static_cast<int>(16 / bytes); }

constexpr int kFloats = pack_of(sizeof(float));

/// rows[i] = Σ of x over sample i, or its mean.
template <class T>
void sum_samples(Stream& stream, CudaDevice& device, View<const T> x, int64_t samples, const int32_t* begin,
                 const Mat& rows, bool mean) {
  constexpr int64_t kLeastChunk = 128, kMostBytes = int64_t{48} << 20, kMostChunks = 65535;
  const auto bytes = static_cast<int64_t>(sizeof(double));
  const int64_t length =
      most(most(kLeastChunk, ceil_div(x.rows * x.cols * bytes, kMostBytes)), ceil_div(x.rows, kMostChunks));
  const int64_t chunks = ceil_div(x.rows, length);
  const Samples table{x.rows, samples, begin};
  Workspace workspace(device);
  double* pieces = workspace.take<double>((chunks + samples) * x.cols);
  launch(stream, "sums of rows", Extent(ceil_div(x.cols, kSumThreads), chunks), kSumThreads, 0, sum_pieces_kernel<T>, x,
         table, length, pieces);
  add_pieces<double>(stream, "sums of rows, their pieces",
                     {table, length, 0, chunks, pieces, view_of(rows), mean, false});
}

}  // namespace

void CudaDevice::convert(ConstAnyMat from, AnyMat to) {
  with_type(from.type, [&](auto number) {
    using From = decltype(number);
    with_type(to.type, [&](auto other) {
      using To = decltype(other);
      constexpr int kPack = pack_of(sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To));
      const ConvertOp<From, To> op{view_as<From>(from), view_as<To>(to)};
      run_elementwise<kPack>(stream_, "convert", op, to.rows, to.cols,
                             in_packs<kPack>(op.from) && in_packs<kPack>(op.to));
    });
  });
}

void CudaDevice::gather_rows(ConstAnyMat table, const int32_t* index, AnyMat out) {
  with_type(out.type, [&](auto number) {
    using T = decltype(number);
    constexpr int kPack = pack_of(sizeof(T));
    const GatherOp<T> op{view_as<T>(table), index, view_as<T>(out)};
    run_elementwise<kPack>(stream_, "gather_rows", op, out.rows, out.cols,
                           in_packs<kPack>(op.table) && in_packs<kPack>(op.out));
  });
}

void CudaDevice::add_gathered_rows(ConstMat table, const int32_t* index, Mat out) {
  const AddGatheredOp op{view_of(table), index, view_of(out)};
  run_elementwise<kFloats>(stream_, "add_gathered_rows", op, out.rows, out.cols,
                           in_packs<kFloats>(op.table) && in_packs<kFloats>(op.out));
}

void CudaDevice::scatter_rows(ConstMat rows, const int32_t* index, Mat out) {
  const ScatterOp op{view_of(rows), index, view_of(out)};
  const bool packs = in_packs<kFloats>(op.out);
  run_elementwise<kFloats>(stream_, "scatter_rows, its zeros", ZeroOp{op.out}, out.rows, out.cols, packs);
  run_elementwise<kFloats>(stream_, "scatter_rows", op, rows.rows, out.cols, packs && in_packs<kFloats>(op.rows));
}

void CudaDevice::add_bias(const float* bias, AnyMat y) {
  with_type(y.type, [&](auto number) {
    using T = decltype(number);
    const AddBiasOp<T> op{bias, view_as<T>(y)};
    run_elementwise<kFloats>(stream_, "add_bias", op, y.rows, y.cols,
                             in_packs<kFloats>(bias) && in_packs<kFloats>(op.y));
  });
}

void CudaDevice::one_hot(const int32_t* index, int64_t first, AnyMat out) {
  with_type(out.type, [&](auto number) {
    using T = decltype(number);
    constexpr int kPack = pack_of(sizeof(T));
    const OneHotOp<T> op{index, first, view_as<T>(out)};
    run_elementwise<kPack>(stream_, "one_hot", op, out.rows, out.cols, in_packs<kPack>(op.out));
  });
}

void CudaDevice::rotary(AnyMat x, int64_t heads, int64_t head_dim, const float* cos_sin, const int32_t* position,
                        int direction) {
  const int64_t half = head_dim / 2;
  with_type(x.type, [&](auto number) {
    using T = decltype(number);
    const RotaryOp<T> op{view_as<T>(x), half, cos_sin, position, direction < 0 ? -1.0f : 1.0f};
    run_elementwise<kFloats>(stream_, "rotary", op, x.rows, heads * half,
                             half % kFloats == 0 && in_packs<kFloats>(cos_sin) && in_packs<kFloats>(op.x));
  });
}

void CudaDevice::sum_rows(ConstAnyMat x, int64_t samples, const int32_t* begin, Mat rows) {
  with_type(x.type, [&](auto number) {
    sum_samples(stream_, *this, view_as<decltype(number)>(x), samples, begin, rows, false);
  });
}

void CudaDevice::mean_rows(ConstMat x, int64_t samples, const int32_t* begin, Mat rows) {
  sum_samples(stream_, *this, view_of(x), samples, begin, rows, true);
}

void CudaDevice::spread_rows(ConstMat rows, int64_t samples, const int32_t* begin, Mat out) {
  const SpreadOp op{view_of(rows), {out.rows, samples, begin}, view_of(out)};
  run_elementwise<kFloats>(stream_, "spread_rows", op, out.rows, out.cols,
                           in_packs<kFloats>(op.rows) && in_packs<kFloats>(op.out));
}

}  // namespace gradfold::cuda
