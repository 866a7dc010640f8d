#pragma once

#include <stdint.h>

namespace gradfold::GRADFOLD_ISA {

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace gradfold::GRADFOLD_ISA
