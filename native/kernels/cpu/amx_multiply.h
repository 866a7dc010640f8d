// The blocked product on AMX tiles, over a right operand that is packed already or packed on the way.
#pragma once

#include "amx_pack.h"

namespace gradfold::GRADFOLD_ISA {

/// The right operand: packed panel after panel with `panel_bytes` between them, or, where that is null, as it lies.
struct Right {
  Lines<Bf16> lines;
  const char* packed;
  int64_t panel_bytes;
};

/// c = a b + (accumulate ? c : 0) with the inner dimension given; on omp_get_max_threads() threads outside a parallel
/// region, on one inside. False when there is no memory for packing; c is then undefined.
bool multiply(const Lines<Bf16>& a, const Right& b, int64_t inner, const AnyMat& c, bool accumulate) noexcept;

}  // namespace gradfold::GRADFOLD_ISA
