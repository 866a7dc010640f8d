// The forms with groups. Rows are cut into parts by shape alone, each part has its own table of groups, and the tables
// are joined in order: so the result does not depend on the threads.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../order/parallel.h"
#include "blocks.h"
#include "groups.h"
#include "passes.h"
#include "softmax.h"
#include "sum.h"

namespace gradfold::weight {
namespace {

constexpr int64_t kMostParts = 64;
/// Rows whose exponentials are computed at once, between gathering from and scattering to the tables.
constexpr int64_t kStripRows = 256;

/// As many parts as let all their tables have one entry for every four rows.
int part_count(int64_t n, int64_t groups) {
  return static_cast<int>(std::clamp<int64_t>(n / 4 / groups, 1, kMostParts));
}

/// Fills a table of [groups] for each part by part_body(first row, end, table), then joins them by join(table entry,
/// entry of the next part).
template <typename Entry, typename PartBody, typename Join>
std::vector<Entry> table_of_groups(int64_t n, int64_t groups, int team, Entry start, const PartBody& part_body,
                                   const Join& join) {
  const int parts = part_count(n, groups);
  std::vector<Entry> tables(static_cast<size_t>(parts * groups), start);
#pragma omp parallel for num_threads(team) schedule(static)
  for (int part = 0; part < parts; ++part) {
    part_body(order::part_begin(n, parts, part), order::part_begin(n, parts, part + 1), &tables[size_t(part * groups)]);
  }
#pragma omp parallel for num_threads(team) schedule(static)
  for (int64_t group = 0; group < groups; ++group) {
    for (int part = 1; part < parts; ++part) join(tables[size_t(group)], tables[size_t(part * groups + group)]);
  }
  tables.resize(static_cast<size_t>(groups));
  return tables;
}

void add_sums(Sum& sum, const Sum& other) { sum.add(other); }

}  // namespace

template <typename Score>
void grouped_weights(const Score* scores, int64_t n, const int32_t* ids, Inverse inverse, bool deep, int team,
                     double* weights) {
  const Groups groups(ids, n, team);
  const std::vector<double> greatest = table_of_groups(
      n, groups.count(), team, -std::numeric_limits<double>::infinity(),
      [&](int64_t begin, int64_t end, double* table) {
        for (int64_t i = begin; i < end; ++i) {
          double& entry = table[groups.of(i)];
          entry = std::max(entry, static_cast<double>(scores[i]));
        }
      },
      [](double& entry, double other) { entry = std::max(entry, other); });

  const ScoreBlocks<double>& kernels = blocks().f64;
  const std::vector<Sum> sums = table_of_groups(
      n, groups.count(), team, Sum(),
      [&](int64_t begin, int64_t end, Sum* table) {
        double differences[kStripRows];
        for (int64_t first = begin; first < end; first += kStripRows) {
          const int64_t rows = std::min(kStripRows, end - first);
          for (int64_t i = 0; i < rows; ++i) {
            const double difference = scores[first + i] - greatest[size_t(groups.of(first + i))];
            differences[i] = std::max(difference, -std::numeric_limits<double>::max());
          }
          kernels.exponentials(differences, rows, 0, inverse, deep, 1, false, weights + first);
          for (int64_t i = first; i < first + rows; ++i) table[groups.of(i)].add(weights[i]);
        }
      },
      add_sums);

#pragma omp parallel for num_threads(team) schedule(static)
  for (int64_t i = 0; i < n; ++i) weights[i] /= sums[size_t(groups.of(i))].value();
}

template void grouped_weights(const float*, int64_t, const int32_t*, Inverse, bool, int, double*);
template void grouped_weights(const double*, int64_t, const int32_t*, Inverse, bool, int, double*);

int64_t grouped_backward(const double* weights, const double* weight_gradients, int64_t n, const int32_t* ids,
                         Inverse inverse, int team, double* score_gradients) {
  const Groups groups(ids, n, team);
  const std::vector<Sum> means = table_of_groups(
      n, groups.count(), team, Sum(),
      [&](int64_t begin, int64_t end, Sum* table) {
        for (int64_t i = begin; i < end; ++i) table[groups.of(i)].add(weights[i] * weight_gradients[i]);
      },
      add_sums);
  if (!std::all_of(means.begin(), means.end(), [](const Sum& mean) { return std::isfinite(mean.value()); })) {
    const int64_t refused = first_not_finite(weights, weight_gradients, n);
    if (refused != kAllFinite) return refused;
  }
#pragma omp parallel for num_threads(team) schedule(static)
  for (int64_t i = 0; i < n; ++i) {
    const double product = weights[i] * (weight_gradients[i] - means[size_t(groups.of(i))].value());
    score_gradients[i] = product * inverse.high + product * inverse.low;
  }
  return kAllFinite;
}

}  // namespace gradfold::weight
