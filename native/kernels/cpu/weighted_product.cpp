// The weighted gradient of a product where no sample's own gradient is asked for: one product over all tokens.
#include "cpu_device.h"
#include "integers.h"

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

void CpuDevice::add_weighted_product(ConstMat g, ConstMat x, const SampleStatistics& s, float* gradient) {
  const int64_t begin = s.begin[0], end = s.begin[s.samples], inputs = x.cols;
  if (all_one(s)) {
    matmul(ConstMat{g.data + begin * g.stride, end - begin, g.cols, g.stride}, true,
           ConstMat{x.data + begin * x.stride, end - begin, inputs, x.stride}, false,
           Mat{gradient, g.cols, inputs, inputs}, 1.0f);
    return;
  }
  float* scaled = static_cast<float*>(
      scratch(0, static_cast<size_t>(least(kTokens, end - begin) * least(kOutputs, g.cols)) * sizeof(float)));
  for (int64_t output = 0; output < g.cols; output += kOutputs) {
    const int64_t outputs = least(kOutputs, g.cols - output);
    for (int64_t first = begin; first < end; first += kTokens) {
      const int64_t tokens = least(kTokens, end - first);
#pragma omp parallel for schedule(static) num_threads(threads_)
      for (int64_t token = 0; token < tokens; ++token) {
        const float weight = s.weights[sample_of(s, first + token)];
        const float* from = g.data + (first + token) * g.stride + output;
        float* to = scaled + token * outputs;
        for (int64_t c = 0; c < outputs; ++c) to[c] = weight * from[c];
      }
      matmul(ConstMat{scaled, tokens, outputs, outputs}, true,
             ConstMat{x.data + first * x.stride, tokens, inputs, x.stride}, false,
             Mat{gradient + output * inputs, outputs, inputs, inputs}, 1.0f);
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
