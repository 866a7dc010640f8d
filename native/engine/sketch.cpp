#include "sketch.h"

#include <algorithm>
#include <cmath>

namespace gradfold {

namespace {

/// k = a b with a the largest divisor not above √k.
struct Sides {
  int64_t a, b;
};

Sides sides_of(int64_t k) {
  int64_t a = static_cast<int64_t>(std::sqrt(static_cast<double>(k)));
  while (k % a != 0) a--;
  return {a, k / a};
}

double scale_of(const Sketch& sketch) { return 1 / std::sqrt(static_cast<double>(sketch.dimensions)); }

Mat signs(Pass& pass, uint64_t stream, int64_t rows, int64_t cols) {
  const Mat out = pass.arena.matrix(rows, cols);
  pass.device.random_signs(pass.sketch.seed, stream, out);
  return out;
}

/// The two sides of a tensor's projection; a tensor of one row is projected like a vector.
struct Projection {
  Mat rows, cols;  // [R × a], [C × b]
};

Projection projection_of(Pass& pass, const Slot& tensor) {
  const int64_t k = pass.sketch.dimensions;
  if (tensor.rows == 1) {
    const Mat one = pass.arena.matrix(1, 1);
    pass.device.fill(one.data, 1, 1);
    return {one, signs(pass, 2 * tensor.stream, tensor.cols, k)};
  }
  const auto [a, b] = sides_of(k);
  return {signs(pass, 2 * tensor.stream, tensor.rows, a), signs(pass, 2 * tensor.stream + 1, tensor.cols, b)};
}

ConstAnyMat columns(const ConstAnyMat& m, int64_t first, int64_t count) {
  const char* data = static_cast<const char*>(m.data) + first * size_of(m.type);
  return {data, m.rows, count, m.stride, m.type};
}

ConstMat rows_of(const Mat& m, int64_t first, int64_t count) {
  return {m.data + first * m.stride, count, m.cols, m.stride};
}

/// The rows of a tensor that a weight covers.
struct Part {
  const Slot& tensor;
  int64_t in_weight, in_tensor, rows;
};

std::vector<Part> parts_of(const Weight& w) {
  std::vector<Part> parts;
  int64_t begin = 0;  // of the tensor, in the stack
  for (const Slot& tensor : *w.tensors) {
    const int64_t first = std::max(begin, w.first), end = std::min(begin + tensor.rows, w.first + w.rows);
    if (first < end) parts.push_back({tensor, first - w.first, first - begin, end - first});
    begin += tensor.rows;
  }
  return parts;
}

/// x (signs) as float32; the signs are exact in every type.
Mat projected(Pass& pass, const ConstAnyMat& x, const ConstMat& signs) {
  const Mat out = pass.arena.matrix(x.rows, signs.cols);
  if (x.type == Type::f32) {
    pass.device.matmul(x, false, signs, false, out, 0);
  } else {
    const AnyMat narrow = pass.arena.matrix(signs.rows, signs.cols, x.type);
    pass.device.convert(signs, narrow);
    pass.device.matmul(x, false, narrow, false, out, 0);
  }
  return out;
}

}  // namespace

void sketch_products(Pass& pass, const Weight& w, ConstAnyMat left, ConstAnyMat right, const Ranges& ranges) {
  for (const Part& part : parts_of(w)) {
    Arena::Scope scope(pass.arena);
    const Slot& tensor = part.tensor;
    const auto [p, q] = projection_of(pass, tensor);
    const Mat lefts = projected(pass, columns(left, part.in_weight, part.rows), rows_of(p, part.in_tensor, part.rows));
    pass.device.add_sample_outer(lefts, projected(pass, right, q), scale_of(pass.sketch), ranges.samples(),
                                 pass.arena.table(ranges.begin), pass.sketch.rows);
  }
}

void sketch_rows(Pass& pass, const Weight& w, ConstMat rows) {
  const int64_t k = pass.sketch.dimensions;
  int64_t begin = 0, column = 0;  // of the tensor in the stack; of the part in rows
  for (const Slot& tensor : *w.tensors) {
    Arena::Scope scope(pass.arena);
    const int64_t first = std::max(begin, w.first), end = std::min(begin + tensor.cols, w.first + w.cols);
    begin += tensor.cols;
    if (first >= end) continue;
    const Mat p = signs(pass, 2 * tensor.stream, tensor.cols, k);
    pass.device.scale(p.data, scale_of(pass.sketch), p.rows * p.cols);
    const ConstMat part{rows.data + column, rows.rows, end - first, rows.stride};
    pass.device.matmul(part, false, rows_of(p, first - (begin - tensor.cols), end - first), false, pass.sketch.rows, 1);
    column += end - first;
  }
}

void sketch_embedding(Pass& pass, const Weight& w, const int32_t* index, ConstMat dx) {
  Arena::Scope scope(pass.arena);
  const auto [p, q] = projection_of(pass, w.tensors->front());
  const Mat lefts = pass.arena.matrix(dx.rows, p.cols);
  pass.device.gather_rows(p, index, lefts);
  pass.device.add_sample_outer(lefts, projected(pass, dx, q), scale_of(pass.sketch), pass.token_ranges.samples(),
                               pass.token_ranges.begin_on_device, pass.sketch.rows);
}

}  // namespace gradfold
