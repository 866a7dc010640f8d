// Rows of an output gradient times the weights of their samples, for the weighted gradient by a plain product.
#pragma once

#include "elementwise.cuh"

namespace gradfold::cuda {

inline constexpr int kWeighThreads = 256;

/// out = w_i × row for the tokens [first, first + out.rows) of g, w_i of the sample that has the token. Grid: rows.
template <class T>
__global__ void __launch_bounds__(kWeighThreads)
    weigh_rows(View<const T> g, int64_t first, const int32_t* begin, int samples, const float* weights, View<T> out) {
  const int64_t row = blockIdx.x, token = first + row;
  int low = 0, high = samples - 1;  // the first sample that ends after the token
  while (low < high) {
    const int middle = (low + high) / 2;
    if (begin[middle + 1] <= token)
      low = middle + 1;
    else
      high = middle;
  }
  const float weight = weights[low];
  const T* from = g.row(token);
  T* to = out.row(row);
  for (int64_t c = threadIdx.x; c < g.cols; c += kWeighThreads) to[c] = from_float<T>(weight * to_float(from[c]));
}

}  // namespace gradfold::cuda
