#include "sample_plan.h"

namespace gradfold::cuda {
namespace {

// All in the time of one multiply-add of the tiles that gradients are formed by. Counted from instructions, not
// measured: with bfloat16 operands the tensor cores do about sixteen multiply-adds in the time of a plain one, by wgmma
// twice as many.
struct Costs {
  double number;   // ending one number of a sample's tile
  double value;    // its square, or its product with one v_k
  double keep;     // writing it and reading it again
  double pair;     // its product with that of another sample
  double ghost;    // a multiply-add between tokens, in smaller tiles
  double library;  // a multiply-add of the library's product
};
constexpr Costs kTensor{8.0, 16.0, 64.0, 16.0, 1.5, 0.6}, kPlain{0.5, 1.5, 6.0, 1.0, 1.2, 1.0},
    kWarpgroups{16.0, 32.0, 128.0, 32.0, 3.0, 1.0};

double cost_of(const SamplePlan& plan, const SampleShape& shape, const SampleWanted& wanted) {
  const Costs& costs = shape.warpgroups ? kWarpgroups : shape.bf16 ? kTensor : kPlain;
  const double numbers = shape.outputs * shape.inputs;
  double cost = 0.0;
  if (plan.forms(wanted)) {
    double each = costs.number + costs.value * double(wanted.vectors);
    if (wanted.norms && !plan.ghost_norms) each += costs.value;
    if (wanted.gradients) each += costs.keep;
    if (wanted.gram && !plan.ghost_gram) each += costs.keep + costs.pair * (shape.present + 8.0) / 2.0;
    cost += numbers * (shape.tokens + shape.present * each);
  }
  const double tile = 4096.0 * (shape.outputs + shape.inputs) * costs.ghost;
  if (wanted.gram && plan.ghost_gram)
    cost += tile * shape.tiles * (shape.tiles + 1.0) / 2.0;
  else if (wanted.norms && plan.ghost_norms)
    cost += tile * shape.pairs;
  if (wanted.gradient && plan.plain_gradient) cost += numbers * shape.tokens * (shape.library ? costs.library : 1.0);
  return cost;
}

}  // namespace

std::vector<int32_t> group_samples(const SampleStatistics& s, int64_t tokens) {
  std::vector<int32_t> first{0};
  for (int64_t i = 1; i < s.samples; ++i)
    if (s.begin[i + 1] - s.begin[first.back()] > tokens) first.push_back(static_cast<int32_t>(i));
  first.push_back(static_cast<int32_t>(s.samples));
  return first;
}

SampleShape sample_shape(const SampleStatistics& s, const std::vector<int32_t>& groups, int64_t tile, int64_t depth) {
  SampleShape shape{};
  for (int64_t i = 0; i < s.samples; ++i) {
    const int64_t tokens = s.begin[i + 1] - s.begin[i];
    shape.tokens += static_cast<double>((tokens + depth - 1) / depth * depth);
    shape.present += tokens > 0 ? 1.0 : 0.0;
  }
  for (size_t a = 0; a + 1 < groups.size(); ++a) {
    const int64_t tokens = s.begin[groups[a + 1]] - s.begin[groups[a]];
    const auto tiles = static_cast<double>((tokens + tile - 1) / tile);
    shape.tiles += tiles;
    shape.pairs += tiles * (tiles + 1.0) / 2.0;
  }
  return shape;
}

SamplePlan plan_samples(const SampleShape& shape, const SampleWanted& wanted, SampleForm form) {
  if (form == SampleForm::ghost) return {true, true, true};
  if (form != SampleForm::cheapest) return {false, false, false};
  SamplePlan best{};
  double least_cost = -1.0;
  for (int bits = 0; bits < 8; ++bits) {
    const SamplePlan plan{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    if (wanted.gram && !plan.ghost_gram && shape.present > kMostFormed) continue;
    // Norms are the diagonal of a Gram matrix between tokens.
    if (wanted.norms && wanted.gram && plan.ghost_gram && !plan.ghost_norms) continue;
    const double cost = cost_of(plan, shape, wanted);
    if (least_cost >= 0.0 && cost >= least_cost) continue;
    least_cost = cost;
    best = plan;
  }
  return best;
}

}  // namespace gradfold::cuda
