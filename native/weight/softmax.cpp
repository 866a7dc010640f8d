#include "softmax.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "../order/parallel.h"
#include "blocks.h"
#include "passes.h"
#include "sum.h"

namespace gradfold::weight {
namespace {

int64_t block_count(int64_t n) { return (n + kBlockRows - 1) / kBlockRows; }

int64_t rows_of_block(int64_t n, int64_t block) { return std::min(kBlockRows, n - block * kBlockRows); }

/// Calls body(block, first row, rows) for every block of n rows. Blocks do not depend on the team.
template <typename Body>
void for_blocks(int64_t n, int team, const Body& body) {
#pragma omp parallel for num_threads(team) schedule(static)
  for (int64_t block = 0; block < block_count(n); ++block) body(block, block * kBlockRows, rows_of_block(n, block));
}

/// The range of scores [n], n ≥ 1.
template <typename Score>
Range range_of(const Score* scores, int64_t n, int team) {
  const ScoreBlocks<Score>& kernels = blocks_of(blocks(), scores);
  double least = scores[0], greatest = least;
  int64_t odd = 0;  // blocks with something that is not finite
#pragma omp parallel for num_threads(team) schedule(static) reduction(min : least) reduction(max : greatest) \
    reduction(+ : odd)
  for (int64_t block = 0; block < block_count(n); ++block) {
    const Range range = kernels.range(scores + block * kBlockRows, rows_of_block(n, block));
    least = std::min(least, range.least);
    greatest = std::max(greatest, range.greatest);
    odd += !range.finite;
  }
  return {least, greatest, odd == 0};
}

double total_of(const std::vector<double>& block_sums) {
  Sum total;
  for (const double sum : block_sums) total.add(sum);
  return total.value();
}

/// Three passes: the range, the exponentials with their sums, the division. Exponentials are stored rather than
/// computed twice: reading them back costs less. Equal scores have equal weights wherever they stand.
template <typename Score>
void plain_weights(const Score* scores, int64_t n, double greatest, Inverse inverse, bool deep, int team,
                   double* weights) {
  const Blocks& all = blocks();
  std::vector<double> sums(static_cast<size_t>(block_count(n)));
  for_blocks(n, team, [&](int64_t block, int64_t first, int64_t rows) {
    sums[size_t(block)] =
        blocks_of(all, scores).exponentials(scores + first, rows, greatest, inverse, deep, weights + first);
  });
  const double factor = 1 / total_of(sums);
  for_blocks(n, team, [&](int64_t, int64_t first, int64_t rows) { all.scale(weights + first, rows, factor); });
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
  for_blocks(n, team, [&](int64_t, int64_t first, int64_t rows) {
    all.backward(weights + first, weight_gradients + first, rows, mean, inverse, score_gradients + first);
  });
  return kAllFinite;
}

template <typename Score>
int64_t weigh(const Score* scores, int64_t n, const int32_t* groups, double temperature, int threads, double* weights) {
  if (n == 0) return kAllFinite;
  const int team = order::team_size(n, threads);
  const Range range = range_of(scores, n, team);
  if (!range.finite) return std::find_if(scores, scores + n, [](Score s) { return !std::isfinite(s); }) - scores;
  const Inverse inverse = inverse_of(temperature);
  const bool deep = is_deep(range, inverse);
  if (groups == nullptr) {
    plain_weights(scores, n, range.greatest, inverse, deep, team, weights);
  } else {
    grouped_weights(scores, n, groups, inverse, deep, team, weights);
  }
  return kAllFinite;
}

}  // namespace

int64_t first_not_finite(const double* weights, const double* weight_gradients, int64_t n) {
  const auto odd = [](double x) { return !std::isfinite(x); };
  const int64_t weight = std::find_if(weights, weights + n, odd) - weights;
  if (weight < n) return weight;
  const int64_t gradient = std::find_if(weight_gradients, weight_gradients + n, odd) - weight_gradients;
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
