// Softmax weights on a CUDA device: native/weight/softmax.h, with the arrays taken there and the result brought back.
#pragma once

#include "../kernels.h"

namespace gradfold::cuda {

// Arrays are ordinary memory, of n < 2³² numbers; the result may be one of the others. groups: null, or a group id for
// each row. device: one that open_cuda_device opened. Sums are float64, compensated over a thread's rows, and their
// order follows from n and groups alone.

/// weights[i] = exp((s_i − greatest) / τ) / Σ_j exp((s_j − greatest) / τ), j over i's group. Returns −1, or the index
/// of the first score that is not finite with `weights` untouched.
/// @throws OutOfMemory, with the device as it was
template <class Score>
int64_t softmax_weights(Device& device, const Score* scores, int64_t n, const int32_t* groups, double temperature,
                        double* weights);

/// score_gradients[i] = (w_i / τ) (dw_i − Σ_j w_j dw_j). Returns −1, or with score_gradients untouched the index of the
/// first w that is not finite, or n plus that of the first such dw.
/// @throws OutOfMemory, with the device as it was
int64_t softmax_weights_backward(Device& device, const double* weights, const double* weight_gradients, int64_t n,
                                 const int32_t* groups, double temperature, double* score_gradients);

}  // namespace gradfold::cuda
