// The weighted gradient of a product where no sample's own gradient is asked for: one product over all tokens.
// Tokens of samples whose weight is not 1 are scaled in G's own type, so that bfloat16 rounds them a second time.
#include "cpu_device.h"
#include "integers.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

// Tokens and outputs of which a scaled copy is made at a time: 4 MiB.
constexpr int64_t kTokens = 512, kOutputs = 2048;

bool all_one(const SampleStatistics& s) {
  for (int64_t i = 0; i < s.samples; ++i)
    if (s.weights[i] != 1.0f) return false;
  return true;
}

int64_t sample_of(const SampleStatistics& s, int64_t token) {
  int64_t low = 0, high = s.samples - 1;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (s.begin[middle + 1] <= token)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

void CpuDevice::add_weighted_product(ConstAnyMat g, ConstAnyMat x, const SampleStatistics& s, float* gradient) {
  const int64_t begin = s.begin[0], end = s.begin[s.samples], inputs = x.cols;
  const auto rows = [](const ConstAnyMat& m, int64_t first, int64_t count) -> ConstAnyMat {
    return {static_cast<const char*>(m.data) + first * m.stride * size_of(m.type), count, m.cols, m.stride, m.type};
  };
  if (all_one(s)) {
    matmul(rows(g, begin, end - begin), true, rows(x, begin, end - begin), false, Mat{gradient, g.cols, inputs, inputs},
           1.0f);
    return;
  }
  void* const memory =
      scratch(0, static_cast<size_t>(least(kTokens, end - begin) * least(kOutputs, g.cols) * size_of(g.type)));
  for (int64_t output = 0; output < g.cols; output += kOutputs) {
    const int64_t outputs = least(kOutputs, g.cols - output);
    for (int64_t first = begin; first < end; first += kTokens) {
      const int64_t tokens = least(kTokens, end - first);
      with_type(g.type, [&](auto number) {
        using T = decltype(number);
        const View<const T> from = view_as<T>(g);
        T* const scaled = static_cast<T*>(memory);
#pragma omp parallel for schedule(static) num_threads(threads_)
        for (int64_t token = 0; token < tokens; ++token) {
          const float weight = s.weights[sample_of(s, first + token)];
          const T* const row = from.row(first + token) + output;
          for (int64_t c = 0; c < outputs; ++c) scaled[token * outputs + c] = from_float<T>(weight * to_float(row[c]));
        }
      });
      matmul(ConstAnyMat{memory, tokens, outputs, outputs, g.type}, true, rows(x, first, tokens), false,
             Mat{gradient + output * inputs, outputs, inputs, inputs}, 1.0f);
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
