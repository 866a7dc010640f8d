// Group ids of rows as small numbers.
#pragma once

#include <cstdint>

#include "../order/buffer.h"

namespace gradfold::weight {

/// Row i belongs to group of(i), 0 ≤ of(i) < count; a number may stand for no group at all.
class Groups {
 public:
  /// ids [n], n ≥ 1, must outlive this. Ids that lie close together are used as they are, less the smallest; others are
  /// numbered in order of appearance through a hash table.
  /// @throws std::bad_alloc
  Groups(const int32_t* ids, int64_t n, int team);

  int64_t count() const { return count_; }
  int64_t of(int64_t row) const { return static_cast<int64_t>(ids_[row]) - least_; }

 private:
  void number(const int32_t* ids, int64_t n);

  const int32_t* ids_;
  int64_t least_, count_;
  order::Buffer<int32_t> numbered_;
};

}  // namespace gradfold::weight
