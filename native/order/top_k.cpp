#include "top_k.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "argsort.h"
#include "buffer.h"
#include "keys.h"
#include "parallel.h"

namespace gradfold::order {
namespace {

constexpr int kDigitBits = 11;
constexpr int kDigits = 1 << kDigitBits;

/// The k-th highest key, and how many of the rows that have exactly this key are among the k highest.
template <typename Key>
struct Cut {
  Key key;
  int64_t ties;
};

/// Adds to counts [kDigits] the digit at `shift` of every key whose bits from `above` upwards equal those of `prefix`.
template <typename Score>
void count_digits(const Score* scores, int64_t n, int shift, int above, typename KeyOf<Score>::type prefix, int team,
                  std::vector<int64_t>& counts) {
  using Key = typename KeyOf<Score>::type;
  constexpr int bits = 8 * sizeof(Key);
  const Key decided = above >= bits ? Key(0) : static_cast<Key>(~Key(0) << above);
  const Key mask = (Key(1) << (above - shift)) - 1;
  std::vector<int64_t> parts(size_t(team) * kDigits);
#pragma omp parallel for num_threads(team) schedule(static, 1)
  for (int part = 0; part < team; ++part) {
    int64_t* own = &parts[size_t(part) * kDigits];
    const int64_t end = part_begin(n, team, part + 1);
    for (int64_t i = part_begin(n, team, part); i < end; ++i) {
      const Key key = key_of(scores[i], Key(0));
      if (((key ^ prefix) & decided) == 0) ++own[static_cast<size_t>((key >> shift) & mask)];
    }
  }
  for (size_t i = 0; i < parts.size(); ++i) counts[i % kDigits] += parts[i];
}

template <typename Score>
Cut<typename KeyOf<Score>::type> find_cut(const Score* scores, int64_t n, int64_t k, int team) {
  using Key = typename KeyOf<Score>::type;
  Key prefix = 0;
  int64_t wanted = k;  // of the keys that share the prefix
  for (int above = 8 * sizeof(Key); above > 0;) {
    const int shift = std::max(0, above - kDigitBits);
    std::vector<int64_t> counts(kDigits);
    count_digits(scores, n, shift, above, prefix, team, counts);
    size_t digit = kDigits - 1;
    while (counts[digit] < wanted) wanted -= counts[digit--];
    prefix |= static_cast<Key>(digit) << shift;
    above = shift;
  }
  return {prefix, wanted};
}

/// rows [k] receives, in input order, the rows above the cut and the last `ties` rows at it.
template <typename Score>
void collect(const Score* scores, int64_t n, const Cut<typename KeyOf<Score>::type>& cut, int team, uint32_t* rows) {
  using Key = typename KeyOf<Score>::type;
  std::vector<int64_t> higher(size_t(team) + 1), equal(size_t(team) + 1);  // [part + 1]: rows of part
#pragma omp parallel for num_threads(team) schedule(static, 1)
  for (int part = 0; part < team; ++part) {
    int64_t above = 0, at = 0;
    const int64_t end = part_begin(n, team, part + 1);
    for (int64_t i = part_begin(n, team, part); i < end; ++i) {
      const Key key = key_of(scores[i], Key(0));
      above += key > cut.key;
      at += key == cut.key;
    }
    higher[size_t(part) + 1] = above;
    equal[size_t(part) + 1] = at;
  }
  for (size_t part = 1; part <= size_t(team); ++part) {
    higher[part] += higher[part - 1];
    equal[part] += equal[part - 1];
  }
  const int64_t dropped = equal[size_t(team)] - cut.ties;  // rows at the cut that go, the first ones
#pragma omp parallel for num_threads(team) schedule(static, 1)
  for (int part = 0; part < team; ++part) {
    int64_t ties_seen = equal[size_t(part)];
    int64_t to = higher[size_t(part)] + std::max<int64_t>(0, ties_seen - dropped);
    const int64_t end = part_begin(n, team, part + 1);
    for (int64_t i = part_begin(n, team, part); i < end; ++i) {
      const Key key = key_of(scores[i], Key(0));
      if (key > cut.key || (key == cut.key && ties_seen++ >= dropped)) rows[to++] = static_cast<uint32_t>(i);
    }
  }
}

template <typename Score>
int64_t first_nan(const Score* scores, int64_t n, int team) {
  int64_t nans = 0;
#pragma omp parallel for num_threads(team) schedule(static) reduction(+ : nans)
  for (int64_t i = 0; i < n; ++i) nans += scores[i] != scores[i];
  if (nans == 0) return kNoNan;
  return std::find_if(scores, scores + n, [](Score s) { return s != s; }) - scores;
}

template <typename Score>
int64_t select_top(const Score* scores, int64_t n, int64_t k, int threads, uint32_t* rows) {
  if (n > kMaxRows) throw std::length_error("top_k: more rows than uint32 can number");
  if (k < 1 || k > n) throw std::invalid_argument("top_k: k outside [1, n]");
  const int team = team_size(n, threads);
  const int64_t nan = first_nan(scores, n, team);
  if (nan != kNoNan) return nan;

  const Buffer<uint32_t> kept = allocate_buffer<uint32_t>(size_t(k));
  collect(scores, n, find_cut(scores, n, k, team), team, kept.get());
  const Buffer<Score> kept_scores = allocate_buffer<Score>(size_t(k));
#pragma omp parallel for num_threads(team) schedule(static)
  for (int64_t i = 0; i < k; ++i) kept_scores[size_t(i)] = scores[kept[size_t(i)]];
  argsort(kept_scores.get(), k, false, threads, rows);
#pragma omp parallel for num_threads(team) schedule(static)
  for (int64_t i = 0; i < k; ++i) rows[i] = kept[rows[i]];
  return kNoNan;
}

}  // namespace

int64_t top_k(const float* scores, int64_t n, int64_t k, int threads, uint32_t* rows) {
  return select_top(scores, n, k, threads, rows);
}

int64_t top_k(const double* scores, int64_t n, int64_t k, int threads, uint32_t* rows) {
  return select_top(scores, n, k, threads, rows);
}

}  // namespace gradfold::order
