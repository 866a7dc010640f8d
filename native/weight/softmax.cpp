#include "softmax.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "../order/parallel.h"
#include "blocks.h"
#include "passes.h"
#include "sum.h"

namespace gradfold::weight {
namespace {

/// The range of what has these ranges, at least one.
Range joined(const std::vector<Range>& ranges) {
  Range all = ranges[0];
  for (const Range& range : ranges) {
    all.least = std::min(all.least, range.least);
    all.greatest = std::max(all.greatest, range.greatest);
    all.finite = all.finite && range.finite;
  }
  return all;
}

/// The index of the first NaN or infinite value, or n.
template <typename Value>
int64_t place_not_finite(const Value* values, int64_t n) {
  return std::find_if(values, values + n, [](Value value) { return !std::isfinite(value); }) - values;
}

double total_of(const std::vector<double>& block_sums) {
  Sum total;
  for (const double sum : block_sums) total.add(sum);
  return total.value();
}

/// Two passes over the scores: every block's range and its sum of exponentials below its own greatest score; then the
/// exponentials once more, times the reciprocal of the sum of all. Computing them twice costs less than writing,
/// reading and writing the result. Equal scores have equal weights wherever they stand.
template <typename Score>
int64_t plain_weights(const Score* scores, int64_t n, Inverse inverse, int team, double* weights) {
  const ScoreBlocks<Score>& kernels = blocks_of(blocks(), scores);
  const int64_t count = block_count(n);
  std::vector<Range> ranges(static_cast<size_t>(count));
  std::vector<double> sums(ranges.size()), shares(ranges.size());
  for_blocks(n, team, [&](int64_t block, int64_t first, int64_t rows) {
    const Range range = kernels.range(scores + first, rows);
    ranges[size_t(block)] = range;
    if (!range.finite) return;
    sums[size_t(block)] = kernels.sum(scores + first, rows, range.greatest, inverse, is_deep(range, inverse));
  });
  const Range range = joined(ranges);
  if (!range.finite) return place_not_finite(scores, n);
  const bool deep = is_deep(range, inverse);

  std::transform(ranges.begin(), ranges.end(), shares.begin(), [](const Range& block) { return block.greatest; });
  blocks().f64.exponentials(shares.data(), count, range.greatest, inverse, deep, 1, false, shares.data());
  std::transform(sums.begin(), sums.end(), shares.begin(), sums.begin(), std::multiplies<double>());
  const double factor = 1 / total_of(sums);
  for_blocks_of_lines(weights, n, team, [&](int64_t first, int64_t rows) {
    kernels.exponentials(scores + first, rows, range.greatest, inverse, deep, factor, is_streamed(n), weights + first);
  });
  return kAllFinite;
}

/// Returns as softmax_weights_backward.
int64_t plain_backward(const double* weights, const double* weight_gradients, int64_t n, Inverse inverse, int team,
                       double* score_gradients) {
  const Blocks& all = blocks();
  std::vector<double> sums(static_cast<size_t>(block_count(n)));
  for_blocks(n, team, [&](int64_t block, int64_t first, int64_t rows) {
    sums[size_t(block)] = all.dot(weights + first, weight_gradients + first, rows);
  });
  const double mean = total_of(sums);
  if (!std::isfinite(mean)) {
    const int64_t refused = first_not_finite(weights, weight_gradients, n);
    if (refused != kAllFinite) return refused;
  }
  for_blocks_of_lines(score_gradients, n, team, [&](int64_t first, int64_t rows) {
    all.backward(weights + first, weight_gradients + first, rows, mean, inverse, is_streamed(n),
                 score_gradients + first);
  });
  return kAllFinite;
}

template <typename Score>
Range range_of(const Score* scores, int64_t n, int team) {
  const ScoreBlocks<Score>& kernels = blocks_of(blocks(), scores);
  std::vector<Range> ranges(static_cast<size_t>(block_count(n)));
  for_blocks(n, team, [&](int64_t block, int64_t first, int64_t rows) {
    ranges[size_t(block)] = kernels.range(scores + first, rows);
  });
  return joined(ranges);
}

template <typename Score>
int64_t weigh(const Score* scores, int64_t n, const int32_t* groups, double temperature, int threads, double* weights) {
  if (n == 0) return kAllFinite;
  const int team = order::team_size(n, threads);
  const Inverse inverse = inverse_of(temperature);
  if (groups == nullptr) return plain_weights(scores, n, inverse, team, weights);
  const Range range = range_of(scores, n, team);
  if (!range.finite) return place_not_finite(scores, n);
  grouped_weights(scores, n, groups, inverse, is_deep(range, inverse), team, weights);
  return kAllFinite;
}

}  // namespace

int64_t first_not_finite(const double* weights, const double* weight_gradients, int64_t n) {
  const int64_t weight = place_not_finite(weights, n);
  if (weight < n) return weight;
  const int64_t gradient = place_not_finite(weight_gradients, n);
  return gradient < n ? n + gradient : kAllFinite;
}

int64_t softmax_weights(const float* scores, int64_t n, const int32_t* groups, double temperature, int threads,
                        double* weights) {
  return weigh(scores, n, groups, temperature, threads, weights);
}

int64_t softmax_weights(const double* scores, int64_t n, const int32_t* groups, double temperature, int threads,
                        double* weights) {
  return weigh(scores, n, groups, temperature, threads, weights);
}

int64_t softmax_weights_backward(const double* weights, const double* weight_gradients, int64_t n,
                                 const int32_t* groups, double temperature, int threads, double* score_gradients) {
  if (n == 0) return kAllFinite;
  const int team = order::team_size(n, threads);
  const Inverse inverse = inverse_of(temperature);
  if (groups == nullptr) return plain_backward(weights, weight_gradients, n, inverse, team, score_gradients);
  return grouped_backward(weights, weight_gradients, n, groups, inverse, team, score_gradients);
}

}  // namespace gradfold::weight
