// Work that is cut because one launch does not take it gives the same bits as work that is not. Built for emulation
// only, where the limits can be small.
#include "../../../native/kernels/cuda/limits.h"

#include "../../../native/kernels/cpu/sample_choice.h"
#include "../layers_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

/// What the work gives, and with other limits the same.
template <class Work>
void expect_same_bits(const char* name, const cuda::Limits& limits, Work work) {
  const std::vector<double> whole = work();
  const cuda::Limits usual = cuda::limits;
  cuda::limits = limits;
  const std::vector<double> cut = work();
  cuda::limits = usual;
  check(!whole.empty() && whole == cut, __FILE__, __LINE__, name);
}

/// Backward passes of attention by key heads, one at a time and two at a time, the last alone.
void test_attention(Device& device) {
  const std::vector<int32_t> begin{0, 5, 37};
  const int64_t tokens = begin.back(), kv_heads = 3, heads = 6, head_dim = 16;
  Random random(3);
  Strided qkv(device, random.matrix(tokens, (heads + 2 * kv_heads) * head_dim)),
      qkv_dot(device, random.matrix(tokens, (heads + 2 * kv_heads) * head_dim)),
      dout(device, random.matrix(tokens, heads * head_dim)), dout_dot(device, random.matrix(tokens, heads * head_dim)),
      out(device, tokens, heads * head_dim), dqkv(device, tokens, qkv.get().cols),
      dqkv_dot(device, tokens, qkv.get().cols);
  Buffer<int32_t> segments(device, begin);
  Buffer<float> lse(device, heads * tokens);
  const AttentionShape shape{2, segments.data(), 32, heads, kv_heads, head_dim, 0.25f, true, 0};
  device.attention(shape, qkv, out, lse.data());
  const int64_t head_bytes = heads / kv_heads * tokens * int64_t{sizeof(float)};
  for (const int64_t together : {1, 2}) {
    cuda::Limits limits;
    limits.attention_sums = together * head_bytes;
    expect_same_bits("attention_backward by key heads", limits, [&] {
      device.attention_backward(shape, qkv, out, lse.data(), dout, dqkv);
      return dqkv.get().values;
    });
    limits.attention_sums = 3 * together * head_bytes;
    expect_same_bits("attention_backward_tangent by key heads", limits, [&] {
      device.attention_backward_tangent(shape, qkv, qkv_dot, lse.data(), dout, dout_dot, dqkv, dqkv_dot);
      std::vector<double> both = dqkv.get().values;
      for (const double value : dqkv_dot.get().values) both.push_back(value);
      return both;
    });
  }
}

/// The Gram matrix of more groups of samples than a grid has rows.
void test_gram(Device& device) {
  std::vector<int32_t> begin{0};
  for (int32_t i = 0; i < 7; ++i) begin.push_back(begin.back() + 33 + 40 * (i % 3));
  const int64_t samples = int64_t(begin.size()) - 1;
  Random random(4);
  Strided g(device, random.matrix(begin.back(), 9)), x(device, random.matrix(begin.back(), 21));
  sample_form = SampleForm::ghost;
  for (const int64_t rows : {1, 3}) {
    cuda::Limits limits;
    limits.grid_rows = rows;
    expect_same_bits("Gram matrix in bands of groups", limits, [&] {
      Buffer<double> norms(device, std::vector<double>(size_t(samples), 0.0)),
          gram(device, std::vector<double>(size_t(samples * samples), 0.0));
      device.sample_products(g, x, {samples, begin.data(), nullptr, norms.data(), 0, nullptr, gram.data()},
                             {nullptr, nullptr, nullptr});
      std::vector<double> all = norms.get();
      for (const double value : gram.get()) all.push_back(value);
      return all;
    });
  }
  sample_form = SampleForm::cheapest;
}

}  // namespace

int main() {
  for_each_device(1, [](Device& device, const std::string&) {
    test_attention(device);
    test_gram(device);
  });
  return exit_status();
}
