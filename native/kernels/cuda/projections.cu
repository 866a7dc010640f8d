// Random projections of the CUDA device.
#include "cuda_device.h"
#include "launch.h"
#include "projections.cuh"
#include "types.h"

namespace gradfold::cuda {

void CudaDevice::random_signs(uint64_t seed, uint64_t stream, Mat out) {
  const int64_t entries = out.rows * out.cols;
  const View<float> view = out.stride == out.cols ? View<float>{out.data, 1, entries, entries} : view_of(out);
  launch(stream_, "random_signs", ceil_div(entries, kWarpSigns * (kSignThreads / kWarp)), kSignThreads, 0,
         random_signs_kernel, seed, stream, view);
}

void CudaDevice::add_sample_outer(ConstMat a, ConstMat b, double scale, int64_t samples, const int32_t* begin,
                                  Mat rows) {
  const int64_t lefts = ceil_div(a.cols, kOuterLeft), rights = ceil_div(b.cols, kOuterRight);
  launch(stream_, "add_sample_outer", samples * lefts * rights, kOuterThreads, 0, add_sample_outer_kernel, view_of(a),
         view_of(b), scale, Samples{a.rows, samples, begin}, lefts, rights, view_of(rows));
}

}  // namespace gradfold::cuda
