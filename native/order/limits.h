// What a sort may use, and how it is cut up to stay within that.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "keys.h"
#include "parallel.h"

namespace gradfold::order {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max() / 4;

/// Streams that one pass writes to: their cache lines together stay in the second cache.
constexpr int kMostStreams = 1 << 11;

/// Working memory below which a sort of n rows would take too many passes: a quarter of a byte a row, and 8 MiB.
/// lib/order/sort-kernel.ts says so to people.
constexpr int64_t least_memory(int64_t n) { return (int64_t(8) << 20) + n / 4; }

/// Sizes of a sort.
struct Limits {
  int team;              // threads
  int64_t small_bucket;  // neighbouring cells are put together up to so many rows
  int64_t large_bucket;  // a cell with more rows is divided
  int64_t window;        // rows that are held at a time

  /// For n rows with working memory of `memory` bytes: `entry` bytes a row held and a copy of one bucket a thread.
  static Limits of(int64_t n, int threads, int64_t memory, int64_t entry) {
    if (memory < least_memory(n)) throw std::invalid_argument("memory: less than least_memory");
    constexpr int64_t kThread = int64_t(1) << 19;  // a thread's counts and cache lines of streams
    constexpr int64_t kShared = int64_t(3) << 19;  // tables of cells
    constexpr int64_t kWorthAThread = int64_t(32) << 20;
    Limits limits;
    limits.team =
        std::min(team_size(n, threads), static_cast<int>(std::clamp<int64_t>(memory / kWorthAThread, 1, 1024)));
    // An eighth is kept for divided cells, an eighth is enough for the copies.
    const int64_t held = memory - memory / 8 - kShared - limits.team * kThread;
    limits.large_bucket = std::min(std::max<int64_t>(1 << 17, n / (8 * limits.team)), held / (8 * limits.team * entry));
    limits.small_bucket = std::min(std::max<int64_t>(1 << 14, n / (kMostStreams / 2)), limits.large_bucket);
    limits.window = held / entry - limits.team * limits.large_bucket;
    return limits;
  }
};

}  // namespace gradfold::order
