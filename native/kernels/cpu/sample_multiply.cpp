// The device's product on the blocks that per-sample statistics are made of.
#include "integers.h"
#include "sample_forms.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Inner dimension that is converted at a time.
constexpr int64_t kDepth = 256;

/// A piece of an operand as float32: itself, or converted into `to`.
ConstMat as_f32(const ConstAnyMat& m, float* to) {
  if (m.type == Type::f32) return f32(m);
  const View<const Bf16> from = view_as<Bf16>(m);
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t c = 0; c < m.cols; ++c) to[r * m.cols + c] = to_float(from.at(r, c));
  return {to, m.rows, m.cols, m.cols};
}

}  // namespace

int64_t multiply_numbers(int64_t lines) { return kDepth * lines; }

void multiply(Product product, ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, Mat c,
              float* scratch) {
  if (a.type == b.type) return product(a, transpose_a, b, transpose_b, c, 0.0f);
  const int64_t inner = transpose_a ? a.rows : a.cols;
  for (int64_t k = 0; k < inner; k += kDepth) {
    const int64_t depth = least(kDepth, inner - k);
    const ConstAnyMat left = transpose_a ? block(a, k, depth, 0, a.cols) : block(a, 0, a.rows, k, depth);
    const ConstAnyMat right = transpose_b ? block(b, 0, b.rows, k, depth) : block(b, k, depth, 0, b.cols);
    product(as_f32(left, scratch), transpose_a, as_f32(right, scratch + kDepth * c.rows), transpose_b, c,
            k > 0 ? 1.0f : 0.0f);
  }
}

}  // namespace gradfold::GRADFOLD_ISA
