#include "parameters.h"

#include <algorithm>

#include "error.h"

namespace gradfold {

void Layout::add(const std::string& name, int64_t offset, std::vector<int64_t> shape) {
  int64_t size = 1;
  for (int64_t extent : shape) size *= extent;
  length_ = std::max(length_, offset + size);
  slots_[name] = {offset, std::move(shape)};
}

const Layout::Slot& Layout::slot(const std::string& name, const std::vector<int64_t>& shape) const {
  const auto found = slots_.find(name);
  if (found == slots_.end()) throw Error("INVALID_ARGUMENT", "parameter layout: no tensor " + name);
  if (found->second.shape != shape) throw Error("INVALID_ARGUMENT", "parameter layout: wrong shape of " + name);
  return found->second;
}

Weight Layout::matrix(const std::string& name, int64_t rows, int64_t cols) const {
  return {slot(name, {rows, cols}).offset, rows, cols};
}

Weight Layout::vector(const std::string& name, int64_t size) const { return {slot(name, {size}).offset, 1, size}; }

Weight stacked(const std::vector<Weight>& parts) {
  Weight whole = parts.front();
  for (size_t i = 1; i < parts.size(); i++) {
    check(parts[i].cols == whole.cols, "stacked weights have equal width");
    check(parts[i].offset == whole.offset + whole.rows * whole.cols, "stacked weights are neighbours");
    whole.rows += parts[i].rows;
  }
  return whole;
}

}  // namespace gradfold
