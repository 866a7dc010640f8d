// order_primitives.h on the host, for emulation. Only for tests.
#include <algorithm>
#include <numeric>
#include <vector>

#include "../order_primitives.h"
#include "stream_state.h"

namespace gradfold::cuda {

namespace {
/// Whoever gives less, or writes beyond it, is found out.
constexpr size_t kTemporary = 512;

void check_temporary(const void* temporary, size_t bytes) {
  if (temporary == nullptr || bytes < kTemporary) throw std::logic_error("too little temporary memory was given");
}
}  // namespace

template <class Key>
size_t sort_bytes(Stream&, int64_t) {
  return kTemporary;
}

template <class Key>
void sort_pairs(Stream& stream, PairHalves<Key>& pairs, int64_t count, void* temporary, size_t bytes) {
  check_temporary(temporary, bytes);
  const PairHalves<Key> given = pairs;
  pairs.now = 1 - pairs.now;
  enqueue(stream.state(), [given, count] {
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), int64_t{0});
    const Key* keys = given.keys[given.now];
    std::stable_sort(order.begin(), order.end(), [keys](int64_t a, int64_t b) { return keys[a] < keys[b]; });
    for (int64_t i = 0; i < count; ++i) {
      given.keys[1 - given.now][i] = keys[order[size_t(i)]];
      given.rows[1 - given.now][i] = given.rows[given.now][order[size_t(i)]];
    }
    // What the sort leaves behind is nobody's.
    std::fill_n(given.keys[given.now], count, Key(-1));
    std::fill_n(given.rows[given.now], count, UINT32_MAX);
  });
}

template size_t sort_bytes<uint32_t>(Stream&, int64_t);
template size_t sort_bytes<uint64_t>(Stream&, int64_t);
template void sort_pairs(Stream&, PairHalves<uint32_t>&, int64_t, void*, size_t);
template void sort_pairs(Stream&, PairHalves<uint64_t>&, int64_t, void*, size_t);

size_t running_sums_bytes(Stream&, int64_t) { return kTemporary; }

void running_sums(Stream& stream, const uint32_t* numbers, uint32_t* sums, int64_t count, void* temporary,
                  size_t bytes) {
  check_temporary(temporary, bytes);
  enqueue(stream.state(), [=] { std::exclusive_scan(numbers, numbers + count, sums, uint32_t{0}); });
}

}  // namespace gradfold::cuda
