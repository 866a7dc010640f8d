// Sorting and folding of rows on the CUDA device.
#include "order_device.h"
#include "order_keys.cuh"
#include "order_primitives.h"
#include "order_rows.h"
#include "stopwatch.h"

namespace gradfold::cuda {

namespace {

template <class Score>
using KeyOf = typename order::KeyOf<Score>::type;

/// The pairs that are kept, in the order that the form asks for.
template <class Key>
PairHalves<Key> sorted(Stream& stream, PairHalves<Key> pairs, int64_t n, const SortForm& form, void* temporary,
                       size_t bytes) {
  sort_pairs(stream, pairs, n, temporary, bytes);
  pairs = pairs.from(n - form.keep);
  if (form.descending && form.keep < n) {
    // Which of equal scores stay is up to the ascending order; those that do keep input order in the other as well.
    launch(stream, "sort_rows, turned", row_blocks(form.keep), kRowThreads, 0, turn_kernel<Key>, pairs.keys[pairs.now],
           form.keep);
    sort_pairs(stream, pairs, form.keep, temporary, bytes);
  }
  return pairs;
}

}  // namespace

template <class Score>
int64_t sort_rows(Device& given, const Score* scores, int64_t n, const SortForm& form, uint32_t* out,
                  SortSeconds* seconds) {
  if (n == 0) return -1;
  using Key = KeyOf<Score>;
  static_assert(sizeof(Key) == sizeof(Score), "scores arrive in the other half of the keys");
  auto& device = static_cast<CudaDevice&>(given);
  Stream& stream = device.stream();
  Workspace workspace(device);
  const size_t temporary_bytes = sort_bytes<Key>(stream, n);
  Arrays arrays(workspace, 2 * Arrays::bytes<Key>(n) + 2 * Arrays::bytes<uint32_t>(n) +
                               Arrays::bytes<int64_t>(odd_numbers(n)) + temporary_bytes);
  PairHalves<Key> pairs{};
  for (Key*& keys : pairs.keys) keys = arrays.take<Key>(n);
  for (uint32_t*& rows : pairs.rows) rows = arrays.take<uint32_t>(n);
  auto* odd = arrays.take<int64_t>(odd_numbers(n));
  void* temporary = arrays.take<char>(static_cast<int64_t>(temporary_bytes));

  Stopwatch watch(stream);
  watch.lap();
  auto* arrived = reinterpret_cast<Score*>(pairs.keys[1]);
  device.upload(arrived, scores, static_cast<size_t>(n) * sizeof(Score));
  watch.lap();
  const bool descending = form.descending && form.keep == n;
  launch(stream, "sort_rows, keys", row_blocks(n), kRowThreads, 0, keys_kernel<Score, Key>, arrived, n, descending,
         pairs.keys[0], pairs.rows[0], odd);
  const int64_t refused = first_odd(stream, odd, n);
  if (refused >= 0 || form.keep == 0) return refused;
  pairs = sorted(stream, pairs, n, form, temporary, temporary_bytes);
  uint32_t* rows = pairs.rows[pairs.now];
  if (form.layers > 1) {
    uint32_t* folded = pairs.rows[1 - pairs.now];
    launch(stream, "sort_rows, fold", row_blocks(form.keep), kRowThreads, 0, fold_kernel, rows, form.keep,
           order::FoldedPlaces(form.keep, form.layers), folded);
    rows = folded;
  }
  watch.lap();
  stream.copy_out(out, rows, static_cast<size_t>(form.keep) * sizeof(uint32_t));
  watch.lap();
  if (seconds == nullptr) return -1;
  stream.copy(pairs.keys[1 - pairs.now], pairs.keys[pairs.now], static_cast<size_t>(form.keep) * sizeof(Key));
  watch.lap();
  const std::vector<double> laps = watch.seconds();
  *seconds = {laps[0], laps[1], laps[2], laps[3]};
  return -1;
}

template int64_t sort_rows(Device&, const float*, int64_t, const SortForm&, uint32_t*, SortSeconds*);
template int64_t sort_rows(Device&, const double*, int64_t, const SortForm&, uint32_t*, SortSeconds*);

}  // namespace gradfold::cuda
