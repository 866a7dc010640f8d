#include "parameter_memory.h"

#include <algorithm>

#include "error.h"

namespace gradfold {

ParameterMemory::ParameterMemory(Device& device, int64_t length)
    : device_(device),
      length_(length),
      data_(static_cast<float*>(device.allocate(static_cast<size_t>(length) * sizeof(float)))) {
  device_.fill(data_, 0, length_);
}

ParameterMemory::~ParameterMemory() {
  for (const auto& [offset, prepared] : operands_) device_.release(prepared.memory);
  device_.release(data_);
}

void ParameterMemory::add_operand(const Weight& w) {
  const size_t bytes = device_.prepared_bytes(w.rows, w.cols);
  if (bytes > 0) operands_.insert({w.offset, {w, bytes, nullptr}});
}

void ParameterMemory::refresh() {
  if (current_) return;
  for (auto& [offset, prepared] : operands_) {
    if (prepared.memory == nullptr) prepared.memory = device_.allocate(prepared.bytes);
    const Weight& w = prepared.weight;
    device_.prepare_weight({data_ + offset, w.rows, w.cols, w.cols}, prepared.memory);
  }
  current_ = true;
}

WeightOperand ParameterMemory::operand(const Weight& w) const {
  const auto found = operands_.find(w.offset);
  const ConstMat matrix{data_ + w.offset, w.rows, w.cols, w.cols};
  if (found == operands_.end()) {
    check(device_.prepared_bytes(w.rows, w.cols) == 0, "weights of products were announced");
    return {matrix, nullptr};
  }
  check(found->second.weight.rows == w.rows && found->second.weight.cols == w.cols, "an operand is a whole weight");
  return {matrix, found->second.memory};
}

std::vector<double> ParameterMemory::fingerprint(Arena& arena) const {
  constexpr int64_t kStretch = int64_t{1} << 18;
  arena.reset();
  const Mat signs = arena.matrix(1, std::min(kStretch, length_));
  device_.random_signs(0, 0, signs);
  std::vector<double> sums;
  for (int64_t begin = 0; begin < length_; begin += kStretch) {
    sums.push_back(device_.dot(data_ + begin, signs.data, std::min(kStretch, length_ - begin)));
  }
  device_.flush();  // a step that repeats begins after what waits for results
  return sums;
}

size_t ParameterMemory::prepared_bytes() const {
  size_t bytes = 0;
  for (const auto& [offset, prepared] : operands_) bytes += prepared.bytes;
  return bytes;
}

}  // namespace gradfold
