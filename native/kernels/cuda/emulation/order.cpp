// order_primitives.h on the host, for emulation. Only for tests.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "../order_primitives.h"
#include "stream_state.h"

namespace gradfold::cuda {

namespace {
/// Whoever gives less, or memory that is in use, is found out.
constexpr size_t kTemporary = 512;
/// Pairs that CUB sorts in one step, from one half to the other; more take as many passes as keys have bytes, which end
/// in the half that they began in.
constexpr int64_t kOneStep = 256 * 19;

void write_temporary(Stream& stream, void* temporary, size_t bytes) {
  if (temporary == nullptr || bytes < kTemporary) throw std::logic_error("too little temporary memory was given");
  enqueue(stream.state(), [=] { std::memset(temporary, 0xff, bytes); });
}
}  // namespace

template <class Key>
size_t sort_bytes(Stream&, int64_t) {
  return kTemporary;
}

template <class Key>
void sort_pairs(Stream& stream, PairHalves<Key>& pairs, int64_t count, void* temporary, size_t bytes) {
  write_temporary(stream, temporary, bytes);
  const int from = pairs.now;
  if (count <= kOneStep) pairs.now = 1 - pairs.now;
  enqueue(stream.state(), [pairs, from, count] {
    std::vector<std::pair<Key, uint32_t>> sorted(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) sorted[size_t(i)] = {pairs.keys[from][i], pairs.rows[from][i]};
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (int64_t i = 0; i < count; ++i)
      std::tie(pairs.keys[pairs.now][i], pairs.rows[pairs.now][i]) = sorted[size_t(i)];
    // What the other half holds is nobody's.
    std::fill_n(pairs.keys[1 - pairs.now], count, Key(-1));
    std::fill_n(pairs.rows[1 - pairs.now], count, UINT32_MAX);
  });
}

template size_t sort_bytes<uint32_t>(Stream&, int64_t);
template size_t sort_bytes<uint64_t>(Stream&, int64_t);
template void sort_pairs(Stream&, PairHalves<uint32_t>&, int64_t, void*, size_t);
template void sort_pairs(Stream&, PairHalves<uint64_t>&, int64_t, void*, size_t);

size_t running_sums_bytes(Stream&, int64_t) { return kTemporary; }

void running_sums(Stream& stream, const uint32_t* numbers, uint32_t* sums, int64_t count, void* temporary,
                  size_t bytes) {
  write_temporary(stream, temporary, bytes);
  enqueue(stream.state(), [=] { std::exclusive_scan(numbers, numbers + count, sums, uint32_t{0}); });
}

}  // namespace gradfold::cuda
