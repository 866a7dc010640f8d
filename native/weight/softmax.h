// Softmax weights of scores, over all rows or within groups of rows, and their gradient.
#pragma once

#include <cstdint>

namespace gradfold::weight {

/// What softmax_weights found: everything finite, or the index of the first score that is not.
constexpr int64_t kAllFinite = -1;

/// Whether a result of n rows is so much larger than caches (32 MiB and more) that, without groups, it is written past
/// them; a smaller one is likely to be read from them. Fresh memory for it is better made before (order::make_pages).
inline bool is_streamed(int64_t n) { return n >= int64_t{1} << 22; }

/// weights[i] = exp(s_i / τ) / Σ_j exp(s_j / τ), over all j, or over those with groups[j] = groups[i] where groups [n]
/// is given. The greatest score is subtracted first; sums are float64 over short blocks, which are added with
/// compensation. τ > 0 with a finite 1/τ. Returns kAllFinite, or the index of the first NaN or infinite score, with
/// `weights` untouched; they may be the scores. The result does not depend on `threads`. Scratch: with groups up to 60
/// bytes a row, else next to none.
/// @throws std::bad_alloc
int64_t softmax_weights(const float* scores, int64_t n, const int32_t* groups, double temperature, int threads,
                        double* weights);
int64_t softmax_weights(const double* scores, int64_t n, const int32_t* groups, double temperature, int threads,
                        double* weights);

/// score_gradients[i] = (w_i / τ) (dw_i − Σ_j w_j dw_j), j as above. Returns kAllFinite, or the index of the first w
/// that is not finite, or n plus that of the first such dw, with score_gradients untouched; they may be an input.
int64_t softmax_weights_backward(const double* weights, const double* weight_gradients, int64_t n,
                                 const int32_t* groups, double temperature, int threads, double* score_gradients);

}  // namespace gradfold::weight
