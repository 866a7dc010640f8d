// How rows are dealt out to threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gradfold::order {

/// Rows below which a further thread costs more than it saves.
constexpr int64_t kRowsPerThread = 1 << 16;

/// Threads worth using for n rows: at most `asked` (at least 1).
inline int team_size(int64_t n, int asked) {
  return static_cast<int>(std::clamp<int64_t>(n / kRowsPerThread, 1, std::max(asked, 1)));
}

/// First row of part `part` when n rows are cut into `parts` contiguous parts of equal size (to one row).
inline int64_t part_begin(int64_t n, int parts, int part) {
  return n / parts * part + std::min<int64_t>(n % parts, part);
}

}  // namespace gradfold::order
