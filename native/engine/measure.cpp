#include "measure.h"

#include <chrono>

#include "arena.h"

namespace gradfold {

double product_seconds(Device& device, int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  Arena arena(device);
  const Mat a = transpose_a ? arena.matrix(k, m) : arena.matrix(m, k);
  const Mat b = transpose_b ? arena.matrix(n, k) : arena.matrix(k, n);
  const Mat c = arena.matrix(m, n);
  device.fill(a.data, 0.5f, m * k);
  device.fill(b.data, 0.25f, k * n);
  device.matmul(a, transpose_a, b, transpose_b, c, 0);
  const auto start = std::chrono::steady_clock::now();
  device.matmul(a, transpose_a, b, transpose_b, c, 0);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace gradfold
