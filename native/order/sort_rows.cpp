#include "sort_rows.h"

#include <algorithm>
#include <stdexcept>

#include "row_sorter.h"

namespace gradfold::order {
namespace {

/// Rows that are sorted as one bucket: counting cells would take longer.
constexpr int64_t kOneBucket = 1 << 15;

template <typename Score>
int64_t sort_few(const Score* scores, int64_t n, const SortOptions& options, int64_t keep, uint32_t* out) {
  using Key = typename KeyOf<Score>::type;
  const Buffer<Entry<Key>> entries = allocate_buffer<Entry<Key>>(size_t(n)),
                           spare = allocate_buffer<Entry<Key>>(size_t(n));
  Key low = key_of(scores[0]), high = low, differing = 0;
  const Key first = low;
  for (int64_t i = 0; i < n; ++i) {
    if (scores[i] != scores[i]) return i;
    const Key key = key_of(scores[i]);
    low = std::min(low, key);
    high = std::max(high, key);
    differing |= key ^ first;
    entries[size_t(i)] = {key, static_cast<uint32_t>(i)};
  }
  const Digits<Key> digits(low, high, differing ? __builtin_ctzll(differing) : 0);
  Entry<Key>* sorted = entries.get();
  Entry<Key>* other = spare.get();
  // What goes is the beginning of the ascending order.
  if (keep < n || !options.descending) {
    sorted = sort_entries(entries.get(), spare.get(), n, digits, false);
    other = (sorted == entries.get() ? spare.get() : entries.get()) + (n - keep);
    sorted += n - keep;
  }
  if (options.descending) sorted = sort_entries(sorted, other, keep, digits, true);
  write_folded(
      FoldedPlaces(keep, options.layers), 0, keep, [=](int64_t i) { return sorted[i].row; }, out);
  return kNoNan;
}

template <typename Score>
int64_t sort_scores(const Score* scores, int64_t n, const SortOptions& options, uint32_t* out) {
  if (n > kMaxRows) throw std::length_error("sort_rows: more rows than uint32 can number");
  const int64_t keep = options.keep < 0 ? n : options.keep;
  if (keep > n || options.layers < 1) throw std::invalid_argument("sort_rows: keep or layers");
  if (keep == 0) return kNoNan;
  if (n <= kOneBucket) return sort_few(scores, n, options, keep, out);
  const Limits limits = Limits::of(n, options.threads, options.memory, sizeof(Entry<typename KeyOf<Score>::type>));
  RowSorter<Score> sorter(limits);
  do {
    const int64_t nan = sorter.count(scores, n);
    if (nan != kNoNan) return nan;
  } while (sorter.refine());
  sorter.arrange({keep, options.descending});
  const FoldedPlaces places(keep, options.layers);
  for (size_t window = 0; window < sorter.windows().size(); ++window) {
    sorter.open(window, 0, places, out);
    sorter.collect(scores, n, {nullptr, 0}, true);
    sorter.close();
  }
  return kNoNan;
}

}  // namespace

int64_t sort_rows(const float* scores, int64_t n, const SortOptions& options, uint32_t* out) {
  return sort_scores(scores, n, options, out);
}

int64_t sort_rows(const double* scores, int64_t n, const SortOptions& options, uint32_t* out) {
  return sort_scores(scores, n, options, out);
}

}  // namespace gradfold::order
