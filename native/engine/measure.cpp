#include "measure.h"

#include <chrono>

#include "arena.h"

namespace gradfold {
namespace {

/// A matrix of the device's precision whose numbers are random in every bit that bfloat16 has: on equal numbers some
/// devices draw less power and run faster. stream: another matrix.
AnyMat random_matrix(Device& device, Arena& arena, uint64_t stream, int64_t rows, int64_t cols) {
  constexpr int kBits = 8;
  const Mat floats = arena.matrix(rows, cols), signs = arena.matrix(rows, cols);
  device.fill(floats.data, 0, rows * cols);
  for (int bit = 0; bit < kBits; ++bit) {
    device.random_signs(stream, static_cast<uint64_t>(bit), signs);
    device.axpy(floats.data, 0.5 / (1 << bit), signs.data, rows * cols);
  }
  if (device.precision() == Type::f32) return floats;
  const AnyMat narrow(arena.take<char>(rows * cols * size_of(Type::bf16)), rows, cols, cols, Type::bf16);
  device.convert(floats, narrow);
  return narrow;
}

}  // namespace

double product_seconds(Device& device, int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  Arena arena(device);
  const AnyMat a = transpose_a ? random_matrix(device, arena, 0, k, m) : random_matrix(device, arena, 0, m, k);
  const AnyMat b = transpose_b ? random_matrix(device, arena, 1, n, k) : random_matrix(device, arena, 1, k, n);
  const AnyMat c = arena.matrix(m, n, device.precision());
  // A device may only have begun when a call returns, but a number that is here has been computed.
  const auto wait = [&] {
    float number;
    device.download(&number, c.data, static_cast<size_t>(size_of(c.type)));
  };
  device.matmul(a, transpose_a, b, transpose_b, c, 0);
  wait();
  const auto start = std::chrono::steady_clock::now();
  device.matmul(a, transpose_a, b, transpose_b, c, 0);
  wait();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace gradfold
