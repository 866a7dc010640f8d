// Order and selection of rows on a CUDA device: native/order/sort_rows.h, with the scores taken there and the rows
// brought back.
#pragma once

#include "../kernels.h"

namespace gradfold::cuda {

struct SortForm {
  bool descending = false;  // equal scores (−0 equals 0) keep input order either way
  int64_t keep = 0;         // only the highest so many, the last of the ascending order
  int64_t layers = 1;       // folds the sorted rows
};

/// Seconds by the device's own events.
struct SortSeconds {
  double upload;    // of the scores
  double sort;      // keys, sorting, folding
  double download;  // of the rows
  double copy;      // from one half of the keys' memory to the other: as many bytes read, as many written
};

/// out [form.keep, ordinary memory] receives the rows of scores [n, ordinary memory] as order::sort_rows gives them,
/// the same bits. Returns −1, or the index of the first NaN with `out` untouched. seconds: filled where it is given and
/// rows are kept; the copy is made for it alone. device: one that open_cuda_device opened. n < 2³². Takes 16 bytes of
/// device memory a row for float32, 24 for float64, and what CUB wants, about 1% of it.
/// @throws OutOfMemory, with the device as it was
template <class Score>
int64_t sort_rows(Device& device, const Score* scores, int64_t n, const SortForm& form, uint32_t* out,
                  SortSeconds* seconds = nullptr);

}  // namespace gradfold::cuda
