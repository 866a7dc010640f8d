// Where each weight lies in the flat parameter vector.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace gradfold {

/// A matrix (or, with rows = 1, a vector) inside the flat parameter vector.
struct Weight {
  int64_t offset, rows, cols;
};

/// Named tensors of a flat parameter vector, as lib/model/layout.ts lays them out.
class Layout {
 public:
  void add(const std::string& name, int64_t offset, std::vector<int64_t> shape);
  int64_t length() const { return length_; }

  /// The tensor of that name; throws when it is missing or has another shape.
  Weight matrix(const std::string& name, int64_t rows, int64_t cols) const;
  Weight vector(const std::string& name, int64_t size) const;

 private:
  struct Slot {
    int64_t offset;
    std::vector<int64_t> shape;
  };
  const Slot& slot(const std::string& name, const std::vector<int64_t>& shape) const;

  std::unordered_map<std::string, Slot> slots_;
  int64_t length_ = 0;
};

/// Neighbouring matrices of equal width as one; throws when they are not neighbours.
Weight stacked(const std::vector<Weight>& parts);

}  // namespace gradfold
