// Per-sample statistics of a weight gradient, g_i = G_iᵀ X_i: what of a call is taken by which form.
#include <omp.h>

#include "cpu_device.h"
#include "sample_cost.h"
#include "sample_forms.h"
#include "statistics.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

SampleShape shape_of(const SampleJob& job, double product) {
  SampleShape shape{};
  shape.product = product;
  shape.outputs = static_cast<double>(job.outputs());
  shape.inputs = static_cast<double>(job.inputs());
  for (int64_t i = 0; i < job.s.samples; ++i) {
    const double tokens = static_cast<double>(job.tokens(i));
    shape.tokens += tokens;
    shape.samples += tokens > 0.0 ? 1.0 : 0.0;
    shape.token_pairs += tokens * tokens;
    if (tokens > shape.longest) shape.longest = tokens;
  }
  return shape;
}

/// The job without what others do.
SampleJob part(const SampleJob& job, bool norms, bool gram, bool dots, bool gradients, bool gradient) {
  SampleJob rest = job;
  if (!norms) rest.s.norms2 = nullptr;
  if (!gram) rest.s.gram = nullptr;
  if (!dots) rest.s.dots = nullptr;
  if (!gradients) rest.t.gradients = nullptr;
  if (!gradient) rest.t.gradient = nullptr;
  return rest;
}

}  // namespace

void CpuDevice::sample_products(ConstAnyMat g, ConstAnyMat x, const SampleStatistics& s, const WeightTarget& t) {
  omp_set_num_threads(threads_);  // products take their team from the calling thread
  const SampleJob job{g, x, s, t};
  if (s.samples == 0 || g.cols == 0 || x.cols == 0 || s.begin[0] == s.begin[s.samples]) return;

  const bool dots = s.dots != nullptr && s.vectors > 0;
  const SampleWanted wanted{s.norms2 != nullptr, s.gram != nullptr, t.gradient != nullptr, t.gradients != nullptr,
                            dots ? s.vectors : 0};
  const SamplePlan plan = plan_samples(shape_of(job, g.type == precision_ ? kind_.cost : 1.0), wanted, sample_form);
  if (plan.forms(wanted)) {
    const SampleJob formed =
        part(job, !plan.ghost_norms, !plan.ghost_gram, !plan.ghost_dots, true, !plan.plain_gradient);
    for (int thread = 0; thread < threads_; ++thread)
      scratch(thread,
              plan.in_tiles ? tile_form_bytes(formed, threads_) : register_form_bytes(formed, threads_, thread));
    const SampleTeam team{threads_, product_, scratch_};
    if (plan.in_tiles)
      run_tile_form(formed, team);
    else
      run_register_form(formed, team);
  }
  const SampleJob ghost = part(job, plan.ghost_norms, plan.ghost_gram, plan.ghost_dots, false, false);
  if (wants_samples(ghost.s, ghost.t)) {
    for (int thread = 0; thread < threads_; ++thread) scratch(thread, ghost_form_bytes(ghost));
    run_ghost_form(ghost, {threads_, product_, scratch_});
  }
  if (plan.plain_gradient && t.gradient != nullptr) add_weighted_product(g, x, s, t.gradient);
}

}  // namespace gradfold::GRADFOLD_ISA
