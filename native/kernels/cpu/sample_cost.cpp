#include "sample_cost.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

// All in the time that one multiply-add of a large float32 product takes; measured with AVX-512 and oneDNN on one
// thread (docs/per-sample.md). Another instruction set changes the unit more than the ratios.

/// A multiply-add that forms g_i: in registers, where operands are widened to float32; in tiles, beside the product's.
constexpr double kInRegisters = 1.0, kInTiles = 1.15;
/// Per number of G and X that registers pack.
constexpr double kPack = 20.0;
/// Per number of g_i: ending a register tile (tiles: storing it), its square, its product with one v_k, its share of
/// the gradient.
constexpr double kEnd = 3.0, kSquare = 1.5, kDot = 2.8, kAdd = 2.5;
constexpr double kTileEnd = 5.0, kTileSquare = 2.0, kTileDot = 4.5, kTileAdd = 3.5;
/// Per number of g_i and pair of samples.
constexpr double kPair = 2.3;
/// Products between tokens: a multiply-add; a number of G or X that a product of one sample alone packs; a call.
constexpr double kGhost = 1.15, kGhostPack = 16.0, kGhostCall = 15e3;
/// A multiply-add of V X.
constexpr double kGhostDot = 1.2;
/// Per number of the gradient that the plain product adds to, and per number of G that it scales by w_i.
constexpr double kPlainEnd = 4.0, kWeigh = 20.0;

/// Samples longer than this are formed in tiles: registers keep packed rows of a whole sample.
constexpr double kLongest = 1024.0;
/// Tokens up to which the Gram matrix can come from registers: it holds packed rows of the whole batch.
constexpr double kGramTokens = 4096.0;
/// Tokens of a block of ghost Gram products.
constexpr double kGhostTokens = 256.0;

double formed_cost(const SamplePlan& plan, const SampleShape& shape, const SampleWanted& wanted) {
  if (!plan.forms(wanted)) return 0.0;
  const bool tiles = plan.in_tiles;
  double per_number = tiles ? kTileEnd : kEnd;
  if (wanted.norms && !plan.ghost_norms) per_number += tiles ? kTileSquare : kSquare;
  if (!plan.ghost_dots) per_number += static_cast<double>(wanted.vectors) * (tiles ? kTileDot : kDot);
  if (wanted.gradient && !plan.plain_gradient) per_number += tiles ? kTileAdd : kAdd;
  if (wanted.gradients) per_number += tiles ? kTileAdd : kAdd;
  if (wanted.gram && !plan.ghost_gram) per_number += kPair * (shape.samples + 1.0) / 2.0;
  const double numbers = shape.outputs * shape.inputs;
  const double forming =
      tiles ? numbers * kInTiles * shape.product : numbers * kInRegisters + (shape.outputs + shape.inputs) * kPack;
  return forming * shape.tokens + numbers * per_number * shape.samples;
}

double ghost_cost(const SamplePlan& plan, const SampleShape& shape, const SampleWanted& wanted) {
  const double lengths = shape.outputs + shape.inputs;
  double cost = 0.0;
  if (wanted.gram && plan.ghost_gram) {
    const double blocks = (shape.tokens + kGhostTokens - 1.0) / kGhostTokens;
    cost += kGhost * shape.product * lengths * shape.tokens * (shape.tokens + kGhostTokens) / 2.0 +
            kGhostCall * blocks * blocks;
  } else if (wanted.norms && plan.ghost_norms) {
    cost += lengths * (kGhost * shape.product * shape.token_pairs + kGhostPack * shape.tokens) +
            2.0 * kGhostCall * shape.samples;
  }
  if (plan.ghost_dots)
    cost += static_cast<double>(wanted.vectors) * shape.tokens * shape.outputs * (kGhostDot * shape.inputs + 1.0);
  return cost;
}

double plain_cost(const SamplePlan& plan, const SampleShape& shape, const SampleWanted& wanted) {
  if (!wanted.gradient || !plan.plain_gradient) return 0.0;
  return shape.outputs * (shape.inputs * (shape.product * shape.tokens + kPlainEnd) + kWeigh * shape.tokens);
}

}  // namespace

bool SamplePlan::forms(const SampleWanted& wanted) const {
  return wanted.gradients || (wanted.norms && !ghost_norms) || (wanted.gram && !ghost_gram) ||
         (wanted.vectors > 0 && !ghost_dots) || (wanted.gradient && !plain_gradient);
}

double plan_cost(const SamplePlan& plan, const SampleShape& shape, const SampleWanted& wanted) {
  return formed_cost(plan, shape, wanted) + ghost_cost(plan, shape, wanted) + plain_cost(plan, shape, wanted);
}

SamplePlan plan_samples(const SampleShape& shape, const SampleWanted& wanted, SampleForm form) {
  if (form == SampleForm::ghost) return {false, true, true, true, true};
  if (form != SampleForm::cheapest) return {form == SampleForm::tiles, false, false, false, false};
  SamplePlan best{};
  double least_cost = -1.0;
  for (int bits = 0; bits < 32; ++bits) {
    const SamplePlan plan{(bits & 16) != 0, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
    const bool gram = wanted.gram && !plan.ghost_gram;
    if (!plan.in_tiles && (shape.longest > kLongest || (gram && shape.tokens > kGramTokens))) continue;
    // Norms are the diagonal of a ghost Gram matrix.
    if (wanted.norms && plan.ghost_gram && wanted.gram && !plan.ghost_norms) continue;
    const double cost = plan_cost(plan, shape, wanted);
    if (least_cost >= 0.0 && cost >= least_cost) continue;
    least_cost = cost;
    best = plan;
  }
  return best;
}

}  // namespace gradfold::GRADFOLD_ISA
