// Cross-entropy of the CUDA device.
#include "cross_entropy.cuh"
#include "cuda_device.h"
#include "launch.h"
#include "types.h"

namespace gradfold::cuda {

namespace {

/// Rows of at least this many logits get large blocks: there are few of them at a time.
constexpr int64_t kWide = 8192;

Logits logits_of(const ConstMat& m) { return {m.data, m.stride, int(m.cols)}; }

/// Calls body(T{}, a constant of the threads of a block).
template <class Body>
void with_row(Type type, int64_t cols, Body body) {
  with_type(type, [&](auto number) {
    if (cols >= kWide)
      body(number, std::integral_constant<int, 1024>{});
    else
      body(number, std::integral_constant<int, 256>{});
  });
}

}  // namespace

void CudaDevice::cross_entropy(ConstMat logits, const int32_t* label, const double* scale, double* loss, double* lse,
                               AnyMat gradient) {
  with_row(gradient.type, logits.cols, [&](auto number, auto threads) {
    using T = decltype(number);
    constexpr int kThreads = threads;
    launch(stream_, "cross_entropy", logits.rows, kThreads, 0, cross_entropy_rows<T, kThreads>, logits_of(logits),
           label, scale, loss, lse, static_cast<T*>(gradient.data), gradient.stride);
  });
}

void CudaDevice::cross_entropy_panel(ConstMat logits, const int32_t* label, int64_t first, const double* scale,
                                     const double* lse, AnyMat gradient) {
  with_row(gradient.type, logits.cols, [&](auto number, auto threads) {
    using T = decltype(number);
    constexpr int kThreads = threads;
    launch(stream_, "cross_entropy_panel", logits.rows, kThreads, 0, cross_entropy_panel_rows<T, kThreads>,
           logits_of(logits), label, first, scale, lse, static_cast<T*>(gradient.data), gradient.stride);
  });
}

void CudaDevice::cross_entropy_tangent(ConstMat logits, ConstMat logits_dot, const int32_t* label, const double* scale,
                                       double* loss, double* loss_dot, AnyMat gradient, AnyMat gradient_dot) {
  with_row(gradient.type, logits.cols, [&](auto number, auto threads) {
    using T = decltype(number);
    constexpr int kThreads = threads;
    launch(stream_, "cross_entropy_tangent", logits.rows, kThreads, 0, cross_entropy_dual_rows<T, kThreads>,
           logits_of(logits), logits_of(logits_dot), label, scale, loss, loss_dot, static_cast<T*>(gradient.data),
           gradient.stride, static_cast<T*>(gradient_dot.data), gradient_dot.stride);
  });
}

}  // namespace gradfold::cuda
