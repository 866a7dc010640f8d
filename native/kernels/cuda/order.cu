// order_primitives.h by CUB, which comes with nvcc.
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include "order_primitives.h"
#include "stream_state.h"

namespace gradfold::cuda {

namespace {

template <class Key>
cudaError_t radix_sort(void* temporary, size_t& bytes, PairHalves<Key>& pairs, int64_t count, cudaStream_t stream) {
  // DoubleBuffer: CUB may overwrite both halves, so that it wants no third.
  cub::DoubleBuffer<Key> keys(pairs.keys[pairs.now], pairs.keys[1 - pairs.now]);
  cub::DoubleBuffer<uint32_t> rows(pairs.rows[pairs.now], pairs.rows[1 - pairs.now]);
  const cudaError_t status = cub::DeviceRadixSort::SortPairs(temporary, bytes, keys, rows, static_cast<uint32_t>(count),
                                                             0, static_cast<int>(8 * sizeof(Key)), stream);
  if (temporary != nullptr && keys.selector == 1) pairs.now = 1 - pairs.now;
  return status;
}

}  // namespace

template <class Key>
size_t sort_bytes(Stream& stream, int64_t count) {
  stream.state().bind();
  PairHalves<Key> pairs{};
  size_t bytes = 0;
  check(radix_sort(nullptr, bytes, pairs, count, nullptr), "cub::DeviceRadixSort");
  return bytes;
}

template <class Key>
void sort_pairs(Stream& stream, PairHalves<Key>& pairs, int64_t count, void* temporary, size_t bytes) {
  stream.state().bind();
  check(radix_sort(temporary, bytes, pairs, count, stream.state().stream), "cub::DeviceRadixSort");
}

template size_t sort_bytes<uint32_t>(Stream&, int64_t);
template size_t sort_bytes<uint64_t>(Stream&, int64_t);
template void sort_pairs(Stream&, PairHalves<uint32_t>&, int64_t, void*, size_t);
template void sort_pairs(Stream&, PairHalves<uint64_t>&, int64_t, void*, size_t);

size_t running_sums_bytes(Stream& stream, int64_t count) {
  stream.state().bind();
  size_t bytes = 0;
  check(cub::DeviceScan::ExclusiveSum(nullptr, bytes, static_cast<const uint32_t*>(nullptr),
                                      static_cast<uint32_t*>(nullptr), static_cast<uint32_t>(count)),
        "cub::DeviceScan");
  return bytes;
}

void running_sums(Stream& stream, const uint32_t* numbers, uint32_t* sums, int64_t count, void* temporary,
                  size_t bytes) {
  stream.state().bind();
  check(cub::DeviceScan::ExclusiveSum(temporary, bytes, numbers, sums, static_cast<uint32_t>(count),
                                      stream.state().stream),
        "cub::DeviceScan");
}

}  // namespace gradfold::cuda
