// Where each weight lies in the flat parameter vector.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace gradfold {

/// A tensor of a checkpoint inside the flat parameter vector; a vector has one row.
struct Slot {
  std::string role;  // what it is to the model: lib/model/layout.ts
  int64_t offset, rows, cols;
  uint64_t stream;  // of its random projections
};

/// A matrix (or, with rows = 1, a vector) inside the flat parameter vector: one tensor, or neighbours stacked.
struct Weight {
  int64_t offset, rows, cols;
  const std::vector<Slot>* tensors;  // what it is made of, in order; owned by the Layout
  int64_t first = 0;                 // row (of a vector: number) of the whole that it starts at, where it is a part

  /// Rows [begin, begin + count).
  Weight rows_from(int64_t begin, int64_t count) const { return {offset + begin * cols, count, cols, tensors, begin}; }
  /// Numbers [begin, begin + count) of a vector.
  Weight numbers_from(int64_t begin, int64_t count) const { return {offset + begin, 1, count, tensors, begin}; }
};

/// The tensors of a flat parameter vector by their roles. Tensors of one role are neighbours: matrices of equal width
/// are one matrix, vectors one vector.
class Layout {
 public:
  explicit Layout(const std::vector<Slot>& slots);
  Layout(const Layout&) = delete;  // weights point into it
  Layout& operator=(const Layout&) = delete;
  int64_t length() const { return length_; }

  bool has(const std::string& role) const { return roles_.count(role) > 0; }
  /// The tensors of a role as one; throws when there are none or the whole has another shape.
  Weight matrix(const std::string& role, int64_t rows, int64_t cols) const;
  Weight vector(const std::string& role, int64_t size) const { return matrix(role, 1, size); }

 private:
  std::unordered_map<std::string, std::vector<Slot>> roles_;
  int64_t length_ = 0;
};

}  // namespace gradfold
