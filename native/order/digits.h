// Stable sorting of few rows, whose keys are close together, by least-significant-digit radix sort.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "keys.h"

namespace gradfold::order {

constexpr int kMostDigitBits = 11;

/// The bits that order keys of [low, high]: those of key − low from `shift` upwards, cut into digits of equal width.
template <typename Key>
struct Digits {
  Key low;
  int shift, width, passes;

  /// constant: lowest bits in which all keys agree.
  Digits(Key low, Key high, int constant) : low(low), shift(constant) {
    int bits = 0;
    for (Key span = (high - low) >> shift; span != 0; span >>= 1) ++bits;
    passes = (bits + kMostDigitBits - 1) / kMostDigitBits;
    width = passes ? (bits + passes - 1) / passes : 0;
  }

  uint32_t of(Key key, int pass) const {
    return static_cast<uint32_t>((key - low) >> (shift + pass * width)) & ((uint32_t(1) << width) - 1);
  }
};

constexpr int kMostPasses = (64 + kMostDigitBits - 1) / kMostDigitBits;
using DigitCounts = uint32_t[kMostPasses][1 << kMostDigitBits];

/// digits: by value, so that it is not read again after every count.
template <int passes, typename Key>
void count_digits(const Entry<Key>* entries, int64_t n, const Digits<Key> digits, DigitCounts& counts) {
  for (int64_t i = 0; i < n; ++i) {
    for (int pass = 0; pass < passes; ++pass) ++counts[pass][digits.of(entries[i].key, pass)];
  }
}

/// Sorts n < 2^32 entries by key, equal keys in the order they have, between two buffers of n. Returns the one that
/// holds the result.
template <typename Key>
Entry<Key>* sort_entries(Entry<Key>* entries, Entry<Key>* spare, int64_t n, const Digits<Key> digits, bool descending) {
  if (n < 2) return entries;
  DigitCounts counts;
  const uint32_t values = uint32_t(1) << digits.width;
  for (int pass = 0; pass < digits.passes; ++pass) std::fill_n(counts[pass], values, 0);
  using Count = void (*)(const Entry<Key>*, int64_t, Digits<Key>, DigitCounts&);
  constexpr Count count[] = {count_digits<0, Key>, count_digits<1, Key>, count_digits<2, Key>, count_digits<3, Key>,
                             count_digits<4, Key>, count_digits<5, Key>, count_digits<6, Key>};
  static_assert(sizeof count / sizeof *count == kMostPasses + 1);
  count[digits.passes](entries, n, digits, counts);
  for (int pass = 0; pass < digits.passes; ++pass) {
    uint32_t* places = counts[pass];
    if (places[digits.of(entries[0].key, pass)] == n) continue;  // all rows share the digit
    uint32_t total = 0;
    for (uint32_t value = 0; value < values; ++value) {
      uint32_t& place = places[descending ? values - 1 - value : value];
      total += std::exchange(place, total);
    }
    for (int64_t i = 0; i < n; ++i) {
      const Entry<Key> entry = entries[i];
      spare[places[digits.of(entry.key, pass)]++] = entry;
    }
    std::swap(entries, spare);
  }
  return entries;
}

}  // namespace gradfold::order
