// Conversion between number types and the addition of a bias, piece of a row by piece, so that one long row occupies
// every thread as many short ones do.
#include "cpu_device.h"
#include "integers.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Numbers of a row that one turn of the parallel loop takes, and the least work worth a parallel region.
constexpr int64_t kPiece = 16384;

/// Calls body(row, first, count) for runs of columns that cover a matrix.
template <class Body>
void for_pieces(int64_t rows, int64_t cols, int threads, Body body) {
  const int64_t pieces = ceil_div(cols, kPiece);
#pragma omp parallel for schedule(static) num_threads(threads) if (rows * cols > kPiece)
  for (int64_t turn = 0; turn < rows * pieces; ++turn) {
    const int64_t first = turn % pieces * kPiece;
    body(turn / pieces, first, least(kPiece, cols - first));
  }
}

template <class From, class To>
void convert_matrix(View<const From> from, View<To> to, int threads) {
  for_pieces(to.rows, to.cols, threads, [=](int64_t r, int64_t first, int64_t count) {
    const From* in = from.row(r) + first;
    To* out = to.row(r) + first;
#pragma omp simd
    for (int64_t c = 0; c < count; ++c) out[c] = from_float<To>(to_float(in[c]));
  });
}

template <class T>
void add_to_rows(const float* bias, View<T> y, int threads) {
  for_pieces(y.rows, y.cols, threads, [=](int64_t r, int64_t first, int64_t count) {
    const float* add = bias + first;
    T* out = y.row(r) + first;
#pragma omp simd
    for (int64_t c = 0; c < count; ++c) out[c] = from_float<T>(to_float(out[c]) + add[c]);
  });
}

}  // namespace

void CpuDevice::convert(ConstAnyMat from, AnyMat to) {
  with_type(from.type, [&](auto number) {
    using From = decltype(number);
    with_type(to.type, [&](auto other) {
      using To = decltype(other);
      convert_matrix(view_as<From>(from), view_as<To>(to), threads_);
    });
  });
}

void CpuDevice::add_bias(const float* bias, AnyMat y) {
  with_type(y.type, [&](auto number) { add_to_rows(bias, view_as<decltype(number)>(y), threads_); });
}

}  // namespace gradfold::GRADFOLD_ISA
