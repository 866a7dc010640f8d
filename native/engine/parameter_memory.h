// The live parameters of a network, and the forms of its weights that products want: made once for each state of the
// parameters, however many batches are computed at it.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "../kernels/kernels.h"
#include "arena.h"
#include "parameters.h"

namespace gradfold {

class ParameterMemory {
 public:
  /// All zero.
  ParameterMemory(Device& device, int64_t length);
  ~ParameterMemory();
  ParameterMemory(const ParameterMemory&) = delete;
  ParameterMemory& operator=(const ParameterMemory&) = delete;

  float* data() { return data_; }
  int64_t length() const { return length_; }

  /// Says that numbers were written.
  void changed() { current_ = false; }

  /// Has a weight prepared for products.
  void add_operand(const Weight& w);
  /// Prepares all operands anew if numbers were written since.
  void refresh();
  WeightOperand operand(const Weight& w) const;

  /// Numbers that are the same for the same parameters, bit by bit, and hardly for any that differ by more than their
  /// rounding: sums of the parameters under random signs, one for each stretch of them. Resets the arena.
  std::vector<double> fingerprint(Arena& arena) const;

  /// Bytes that the prepared forms take.
  size_t prepared_bytes() const;

 private:
  struct Prepared {
    Weight weight;
    size_t bytes;
    void* memory;  // null until the first refresh
  };
  Device& device_;
  int64_t length_;
  float* data_;
  bool current_ = false;
  std::map<int64_t, Prepared> operands_;  // by offset
};

}  // namespace gradfold
