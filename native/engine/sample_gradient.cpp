#include "sample_gradient.h"

#include "sketch.h"

namespace gradfold {

namespace {

/// The pointers of a pass moved to one weight, alive as long as the kernel call.
class TargetOf {
 public:
  TargetOf(const Pass& pass, const Weight& w) {
    for (const float* v : pass.vectors) vectors_.push_back(v + w.offset);
    for (float* g : pass.gradients) gradients_.push_back(g + w.offset);
    target_ = {pass.gradient ? pass.gradient + w.offset : nullptr, vectors_.data(),
               gradients_.empty() ? nullptr : gradients_.data()};
  }
  operator const WeightTarget&() const { return target_; }

 private:
  std::vector<const float*> vectors_;
  std::vector<float*> gradients_;
  WeightTarget target_;
};

}  // namespace

void add_sample_products(Pass& pass, const Weight& w, ConstAnyMat left, ConstAnyMat right, const Ranges& ranges) {
  pass.device.sample_products(left, right, pass.statistics_over(ranges), TargetOf(pass, w));
  if (pass.sketch.dimensions > 0) sketch_products(pass, w, left, right, ranges);
}

void add_sample_rows(Pass& pass, const Weight& w, ConstMat rows) {
  SampleStatistics s = pass.statistics;
  s.samples = rows.rows;
  pass.device.sample_rows(rows, s, TargetOf(pass, w));
  if (pass.sketch.dimensions > 0) sketch_rows(pass, w, rows);
}

void add_sample_embedding(Pass& pass, const Weight& w, const TableIndex& index, ConstMat dx) {
  pass.device.sample_embedding(index.groups, dx, pass.statistics_over(pass.token_ranges), TargetOf(pass, w));
  if (pass.sketch.dimensions > 0) sketch_embedding(pass, w, index.row, dx);
}

}  // namespace gradfold
