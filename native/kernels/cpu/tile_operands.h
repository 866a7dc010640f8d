// What the innermost loops over tiles multiply, and what they fetch meanwhile.
#pragma once

#include "tile_pack.h"

namespace gradfold::GRADFOLD_ISA {

/// Up to 32 lines of the left operand for one run of the inner dimension: `steps` pairs of tiles where they lie, then
/// one packed pair where the run does not end with a step.
struct Left {
  const char* data;
  int64_t row_bytes, second_bytes, step_bytes, steps;
  const char* rest;
  int64_t part_bytes;  // from one part of the numbers to the next, where they have several
};

/// Two tiles a step of an operand of products.
struct TilePairs {
  const void* data;
  int64_t row_bytes, second_bytes, step_bytes;
};

/// 2 × 2 tiles of sums; distances in numbers.
struct TileSums {
  float* data;
  int64_t row_stride, right, below;
};

/// Cache lines that will be wanted soon, fetched a few at a time between multiplications: memory beyond the
/// second-level cache is slow, and hardware does not foresee columns of lines. Lines of a group lie `line` bytes apart,
/// groups of 32 `group` bytes.
template <bool kForWriting>
class Ahead {
 public:
  Ahead() = default;
  Ahead(const void* data, int64_t line, int64_t group, int64_t lines)
      : at_(static_cast<const char*>(data)), line_(line), jump_(group - 32 * line), left_(lines) {}

  int64_t left() const { return left_; }

  void fetch(int64_t count) {
    for (count = least(count, left_); count > 0; --count) {
      __builtin_prefetch(at_, kForWriting, kForWriting ? 3 : 2);
      --left_;
      at_ += line_ + ((left_ & 31) == 0 ? jump_ : 0);
    }
  }

 private:
  const char* at_ = nullptr;
  int64_t line_ = 0, jump_ = 0, left_ = 0;  // lines not fetched yet: whole groups at first
};
/// Of the next panel to be packed, and of C.
using SourceAhead = Ahead<false>;
using SumsAhead = Ahead<true>;

/// What one multiplication of panels fetches, spread over its steps.
struct Fetches {
  SourceAhead& source;
  int64_t source_lines;
  SumsAhead sums;
};

}  // namespace gradfold::GRADFOLD_ISA
