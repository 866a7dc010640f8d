#include "parameters.h"

#include <algorithm>

#include "error.h"

namespace gradfold {

namespace {
/// Addresses in bytes stay far from overflowing.
constexpr int64_t kMostParameters = int64_t{1} << 53;
}  // namespace

Layout::Layout(const std::vector<Slot>& slots) {
  for (const Slot& slot : slots) {
    check(slot.rows >= 1 && slot.cols >= 1 && slot.rows <= kMostParameters / slot.cols, "a tensor with a size");
    check(slot.offset >= 0 && slot.offset <= kMostParameters - slot.rows * slot.cols, "a tensor inside the vector");
    length_ = std::max(length_, slot.offset + slot.rows * slot.cols);
    auto& tensors = roles_[slot.role];
    if (!tensors.empty()) {
      const Slot& last = tensors.back();
      check(slot.offset == last.offset + last.rows * last.cols, "tensors of one role are neighbours");
      check(slot.rows == 1 || slot.cols == last.cols, "matrices of one role have equal width");
    }
    tensors.push_back(slot);
  }
}

Weight Layout::matrix(const std::string& role, int64_t rows, int64_t cols) const {
  const auto found = roles_.find(role);
  if (found == roles_.end()) throw Error("INVALID_ARGUMENT", "parameter layout: no tensor for " + role);
  int64_t size = 0;
  for (const Slot& tensor : found->second) size += tensor.rows * tensor.cols;
  const bool fits = size == rows * cols && (rows == 1 || found->second.front().cols == cols);
  if (!fits) throw Error("INVALID_ARGUMENT", "parameter layout: wrong shape of " + role);
  return {found->second.front().offset, rows, cols, &found->second};
}

}  // namespace gradfold
