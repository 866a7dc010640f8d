// Sorting by windows against std::stable_sort, with limits so small that every way of cutting the order is gone.
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "../../native/order/sort_rows.cpp"  // of the addon itself, not of the kernel libraries
#include "harness.h"

namespace {

using namespace gradfold::order;

template <typename Score>
using Fill = void (*)(std::vector<Score>&, std::mt19937_64&);

template <typename Score>
void normal(std::vector<Score>& scores, std::mt19937_64& random) {
  for (Score& score : scores) score = std::normal_distribution<Score>()(random);
}

template <typename Score>
void any_bits(std::vector<Score>& scores, std::mt19937_64& random) {
  for (Score& score : scores) {
    const uint64_t bits = random();
    std::memcpy(&score, &bits, sizeof score);
    if (score != score) score = Score(-0.);
  }
}

template <typename Score>
void few_values(std::vector<Score>& scores, std::mt19937_64& random) {
  for (Score& score : scores) score = Score(int(random() % 5) - 2) * Score(0.1);
}

template <typename Score>
void equal(std::vector<Score>& scores, std::mt19937_64&) {
  for (Score& score : scores) score = Score(0.1);
}

/// Nearly all within one cell of the root, one of them taking half, and something far away.
template <typename Score>
void crowded(std::vector<Score>& scores, std::mt19937_64& random) {
  for (Score& score : scores) {
    const uint64_t kind = random() % 64;
    const Score near = 1 + std::numeric_limits<Score>::epsilon() * Score(random() % 4096);
    score = kind < 32 ? Score(1) : kind < 63 ? near : -std::numeric_limits<Score>::infinity();
  }
}

template <typename Score>
void narrow(std::vector<Score>& scores, std::mt19937_64& random) {
  for (Score& score : scores) score = Score(float(int64_t(random() % 100'000)) / 1024);
}

/// What sort_rows has to give.
template <typename Score>
std::vector<uint32_t> expected_order(const std::vector<Score>& scores, int64_t keep, bool descending, int64_t layers) {
  std::vector<uint32_t> rows(scores.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](uint32_t a, uint32_t b) { return scores[a] < scores[b]; });
  rows.erase(rows.begin(), rows.end() - keep);
  if (descending) {
    std::stable_sort(rows.begin(), rows.end(), [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  }
  std::vector<uint32_t> folded;
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (int64_t i = layer; i < keep; i += layers) folded.push_back(rows[size_t(i)]);
  }
  return folded;
}

/// The sorted order from scores in pieces of `piece` rows, window by window, every row called by its number plus 7.
template <typename Score>
std::vector<uint32_t> by_windows(const std::vector<Score>& scores, int64_t keep, bool descending, const Limits& limits,
                                 int64_t piece, size_t& windows) {
  const int64_t n = static_cast<int64_t>(scores.size());
  std::vector<uint32_t> names(scores.size());
  std::iota(names.begin(), names.end(), 0);
  RowSorter<Score> sorter(limits);
  do {
    for (int64_t begin = 0; begin < n; begin += piece) {
      CHECK(sorter.count(&scores[size_t(begin)], std::min(piece, n - begin)) == kNoNan);
    }
  } while (sorter.refine());
  CHECK(sorter.rows() == n);
  sorter.arrange({keep, descending}, limits.window);
  windows = sorter.windows().size();
  std::vector<uint32_t> rows(static_cast<size_t>(keep));
  int64_t at = 0;
  for (size_t w = 0; w < windows; ++w) {
    const Window window = sorter.windows()[w];
    CHECK(window.first == at && window.rows > 0 && window.rows <= limits.window);
    sorter.open(w, window.first, FoldedPlaces(window.rows, 1), &rows[size_t(at)]);
    for (int64_t begin = 0; begin < n; begin += piece) {
      const bool named = begin % 2 != 0;
      const RowNames called = named ? RowNames{&names[size_t(begin)], 7} : RowNames{nullptr, uint32_t(begin) + 7};
      sorter.collect(&scores[size_t(begin)], std::min(piece, n - begin), called);
    }
    sorter.close();
    at += window.rows;
  }
  CHECK(at == keep);
  for (uint32_t& row : rows) row -= 7;
  return rows;
}

template <typename Score>
void test_fill(const char* name, Fill<Score> fill) {
  std::mt19937_64 random(std::string(name).size());
  for (const int64_t n : {1, 2, 1000, 32'768, 70'001}) {
    std::vector<Score> scores(static_cast<size_t>(n));
    fill(scores, random);
    for (const int64_t keep : {n, (n + 1) / 2, int64_t(1)}) {
      for (const bool descending : {false, true}) {
        for (const int64_t layers : {1, 3, 999}) {
          SortOptions options;
          options.keep = keep;
          options.descending = descending;
          options.layers = layers;
          options.threads = 2;
          std::vector<uint32_t> rows(static_cast<size_t>(keep));
          CHECK(sort_rows(scores.data(), n, options, rows.data()) == kNoNan);
          CHECK(rows == expected_order(scores, keep, descending, layers));
        }
        const std::vector<uint32_t> expected = expected_order(scores, keep, descending, 1);
        // Smaller windows than this take as many passes.
        const int64_t window = std::max<int64_t>(100, n / 6);
        for (const Limits& limits : {Limits{2, 50, 100, window}, Limits{1, 64, n / 4 + 100, n / 3 + 100}}) {
          size_t windows = 0;
          CHECK(by_windows(scores, keep, descending, limits, n / 3 + 1, windows) == expected);
          if (keep == n) CHECK(windows >= size_t(n / limits.window));
        }
      }
    }
  }
}

void test_memory() {
  std::mt19937_64 random(5);
  std::vector<float> scores(3'000'000);
  normal(scores, random);
  const int64_t n = static_cast<int64_t>(scores.size());
  SortOptions options;
  options.layers = 3;
  options.threads = 2;
  std::vector<uint32_t> plain(scores.size()), capped(scores.size());
  CHECK(sort_rows(scores.data(), n, options, plain.data()) == kNoNan);
  options.memory = least_memory(n);
  const Limits limits = Limits::of(n, options.threads, options.memory, sizeof(Entry<uint32_t>));
  CHECK(limits.window < n / 2 && limits.window >= limits.large_bucket);
  CHECK(sort_rows(scores.data(), n, options, capped.data()) == kNoNan);
  CHECK(plain == capped);
  options.memory -= 1;
  bool refused = false;
  try {
    sort_rows(scores.data(), n, options, capped.data());
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  CHECK(refused);
}

void test_nan() {
  for (const int64_t n : {100, 200'000}) {
    std::vector<double> scores(static_cast<size_t>(n), 0.5);
    scores[size_t(n - 7)] = scores[size_t(n - 3)] = std::nan("");
    std::vector<uint32_t> rows(scores.size(), 42);
    SortOptions options;
    options.threads = 2;
    CHECK(sort_rows(scores.data(), n, options, rows.data()) == n - 7);
    CHECK(rows == std::vector<uint32_t>(scores.size(), 42));
  }
}

/// Scores that are not those that were counted are noticed before anything is written where it does not belong.
void test_changed_scores() {
  std::mt19937_64 random(6);
  std::vector<float> scores(50'000), others(50'000);
  normal(scores, random);
  equal(others, random);
  RowSorter<float> sorter(Limits{2, 1000, 4000, 20'000});
  do {
    sorter.count(scores.data(), 50'000);
  } while (sorter.refine());
  sorter.arrange({50'000, false}, 20'000);
  std::vector<uint32_t> rows(size_t(sorter.windows()[1].rows));
  const auto refused = [&](int64_t n) {
    sorter.open(1, sorter.windows()[1].first, FoldedPlaces(sorter.windows()[1].rows, 1), rows.data());
    try {
      sorter.collect(n ? others.data() : scores.data(), n ? n : 100, {nullptr, 0});
      sorter.close();
    } catch (const std::invalid_argument&) {
      return true;
    }
    return false;
  };
  CHECK(refused(50'000));
  CHECK(refused(0));
}

template <typename Score>
void test_all_fills() {
  test_fill<Score>("normal", normal<Score>);
  test_fill<Score>("any bits", any_bits<Score>);
  test_fill<Score>("few values", few_values<Score>);
  test_fill<Score>("equal", equal<Score>);
  test_fill<Score>("crowded", crowded<Score>);
  test_fill<Score>("narrow", narrow<Score>);
}

}  // namespace

int main() {
  test_all_fills<float>();
  test_all_fills<double>();
  test_memory();
  test_nan();
  test_changed_scores();
  return gradfold::test::exit_status();
}
