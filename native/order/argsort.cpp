#include "argsort.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "buffer.h"
#include "keys.h"
#include "parallel.h"
#include "scatter.h"

namespace gradfold::order {
namespace {

constexpr int kDigitBits = 11;
constexpr int kDigits = 1 << kDigitBits;

/// A row on its way through the passes: the word of its key being sorted by, and where it came from.
struct Entry {
  uint32_t word;
  uint32_t row;
};

/// Lowest bits [shift, shift + kDigitBits) of a pass.
using Passes = std::vector<int>;

/// Digits that cover every bit in which the words differ. A bit in which all agree does not order anything.
Passes plan_passes(uint32_t differing) {
  Passes passes;
  while (differing != 0) {
    const int shift = __builtin_ctz(differing);
    passes.push_back(shift);
    const uint64_t covered = ((uint64_t(1) << kDigitBits) - 1) << shift;
    differing &= ~static_cast<uint32_t>(covered);
  }
  return passes;
}

inline int digit_of(uint32_t word, int shift) { return static_cast<int>(word >> shift) & (kDigits - 1); }

/// One stable counting-sort pass: entry(i), i < n, in order of its digit to out. `to_value` turns an entry into what is
/// stored.
template <typename Out, typename EntryAt, typename ToValue>
void radix_pass(int64_t n, int shift, int threads, const EntryAt& entry, const ToValue& to_value, Out* out) {
  std::vector<int64_t> starts(size_t(threads) * kDigits);
  // Made here because nothing may throw inside the parallel region.
  const std::unique_ptr<ScatterWriter<Out, kDigits>[]> writers(new ScatterWriter<Out, kDigits>[size_t(threads)]);
#pragma omp parallel num_threads(threads)
  {
    // The schedule hands each part to one iteration, whatever team the runtime really gave.
#pragma omp for schedule(static, 1)
    for (int part = 0; part < threads; ++part) {
      int64_t* counts = &starts[size_t(part) * kDigits];
      const int64_t end = part_begin(n, threads, part + 1);
      for (int64_t i = part_begin(n, threads, part); i < end; ++i) ++counts[digit_of(entry(i).word, shift)];
    }
#pragma omp single
    {
      int64_t total = 0;
      for (int digit = 0; digit < kDigits; ++digit) {
        for (int part = 0; part < threads; ++part) {
          int64_t& slot = starts[size_t(part) * kDigits + digit];
          total += std::exchange(slot, total);
        }
      }
    }
#pragma omp for schedule(static, 1)
    for (int part = 0; part < threads; ++part) {
      ScatterWriter<Out, kDigits>& writer = writers[size_t(part)];
      writer.open(out, &starts[size_t(part) * kDigits]);
      const int64_t end = part_begin(n, threads, part + 1);
      for (int64_t i = part_begin(n, threads, part); i < end; ++i) {
        const Entry e = entry(i);
        writer.append(digit_of(e.word, shift), to_value(e));
      }
      writer.finish();
    }
  }
}

/// Two entry buffers, each made when first needed; `current` holds the rows in the order reached so far, or is null
/// while that is still input order.
class Entries {
 public:
  explicit Entries(int64_t n) : n_(n) {}

  Entry* current = nullptr;

  /// The buffer that is not current.
  Entry* spare() {
    Buffer<Entry>& buffer = current && current == buffers_[0].get() ? buffers_[1] : buffers_[0];
    if (!buffer) buffer = allocate_buffer<Entry>(size_t(n_));
    return buffer.get();
  }

 private:
  int64_t n_;
  Buffer<Entry> buffers_[2];
};

/// Sorts by one 32-bit word of the keys. word(row) gives it. With `last`, the final pass writes rows to `order`.
template <typename WordOf>
void sort_by_word(int64_t n, const Passes& passes, bool last, int threads, const WordOf& word, Entries& entries,
                  uint32_t* order) {
  const auto as_entry = [](Entry e) { return e; };
  const auto as_row = [](Entry e) { return e.row; };
  bool reads_scores = true;  // until the word has been stored in the entries
  const auto run_pass = [&](int shift, auto to_value, auto* out) {
    const Entry* from = entries.current;
    if (!reads_scores) {
      radix_pass(
          n, shift, threads, [=](int64_t i) { return from[i]; }, to_value, out);
    } else {
      radix_pass(
          n, shift, threads,
          [=](int64_t i) {
            return Entry{word(uint32_t(i)), uint32_t(i)};
          },
          to_value, out);
    }
  };
  if (entries.current) {
    Entry* rows = entries.current;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < n; ++i) rows[i].word = word(rows[i].row);
    reads_scores = false;
  }
  for (size_t p = 0; p < passes.size(); ++p) {
    if (last && p + 1 == passes.size()) {
      run_pass(passes[p], as_row, order);
    } else {
      Entry* out = entries.spare();
      run_pass(passes[p], as_entry, out);
      entries.current = out;
    }
    reads_scores = false;
  }
}

/// The bits in which the keys are not all equal, and the first NaN.
template <typename Score>
struct Scan {
  typename KeyOf<Score>::type differing = 0;
  int64_t first_nan = kNoNan;
};

template <typename Score>
Scan<Score> scan_keys(const Score* scores, int64_t n, int threads) {
  using Key = typename KeyOf<Score>::type;
  const Key first = key_of(scores[0], Key(0));
  Key differing = 0;
  int64_t nans = 0;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(| : differing) reduction(+ : nans)
  for (int64_t i = 0; i < n; ++i) {
    differing |= key_of(scores[i], Key(0)) ^ first;
    nans += scores[i] != scores[i];
  }
  Scan<Score> result{differing, kNoNan};
  if (nans > 0) result.first_nan = std::find_if(scores, scores + n, [](Score s) { return s != s; }) - scores;
  return result;
}

template <typename Score>
int64_t radix_argsort(const Score* scores, int64_t n, bool descending, int threads, uint32_t* order) {
  using Key = typename KeyOf<Score>::type;
  if (n > kMaxRows) throw std::length_error("argsort: more rows than uint32 can number");
  if (n == 0) return kNoNan;
  const int team = team_size(n, threads);
  const Scan<Score> scan = scan_keys(scores, n, team);
  if (scan.first_nan != kNoNan) return scan.first_nan;

  const Key flip = descending ? ~Key(0) : Key(0);
  Entries entries(n);
  const Passes high = plan_passes(static_cast<uint32_t>(scan.differing >> (8 * sizeof(Key) - 32)));
  Passes low;
  if constexpr (sizeof(Key) == 8) {
    low = plan_passes(static_cast<uint32_t>(scan.differing));
    const auto word = [=](uint32_t row) { return static_cast<uint32_t>(key_of(scores[row], flip)); };
    sort_by_word(n, low, high.empty(), team, word, entries, order);
  }
  const auto word = [=](uint32_t row) {
    return static_cast<uint32_t>(key_of(scores[row], flip) >> (8 * sizeof(Key) - 32));
  };
  if (!high.empty()) sort_by_word(n, high, true, team, word, entries, order);
  if (high.empty() && low.empty()) std::iota(order, order + n, uint32_t(0));
  return kNoNan;
}

}  // namespace

int64_t argsort(const float* scores, int64_t n, bool descending, int threads, uint32_t* order) {
  return radix_argsort(scores, n, descending, threads, order);
}

int64_t argsort(const double* scores, int64_t n, bool descending, int threads, uint32_t* order) {
  return radix_argsort(scores, n, descending, threads, order);
}

}  // namespace gradfold::order
