#include "measure.h"

#include <chrono>

#include "arena.h"

namespace gradfold {
namespace {

/// A matrix of the device's precision, all of its numbers equal.
AnyMat filled(Device& device, Arena& arena, int64_t rows, int64_t cols, float value) {
  const Mat floats = arena.matrix(rows, cols);
  device.fill(floats.data, value, rows * cols);
  if (device.precision() == Type::f32) return floats;
  const AnyMat narrow(arena.take<char>(rows * cols * size_of(Type::bf16)), rows, cols, cols, Type::bf16);
  device.convert(floats, narrow);
  return narrow;
}

}  // namespace

double product_seconds(Device& device, int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  Arena arena(device);
  const AnyMat a = transpose_a ? filled(device, arena, k, m, 0.5f) : filled(device, arena, m, k, 0.5f);
  const AnyMat b = transpose_b ? filled(device, arena, n, k, 0.25f) : filled(device, arena, k, n, 0.25f);
  const AnyMat c = filled(device, arena, m, n, 0.0f);
  device.matmul(a, transpose_a, b, transpose_b, c, 0);
  const auto start = std::chrono::steady_clock::now();
  device.matmul(a, transpose_a, b, transpose_b, c, 0);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace gradfold
