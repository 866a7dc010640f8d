#pragma once

#include <stdint.h>

namespace gradfold::GRADFOLD_ISA {

/// A half-open range of rows, tokens or keys.
struct Range {
  int64_t begin, end;

  int64_t size() const { return end - begin; }
};

}  // namespace gradfold::GRADFOLD_ISA
