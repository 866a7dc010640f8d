// Work that is cut because one launch does not take it gives the same bits as work that is not; of norms, whose
// parameters' sums are rounded once more a cut, nearly the same. Built for emulation only, where the limits can be
// small.
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

/// Backward passes of norms in bands of one and of two chunks: each token's gradient to the bit, the parameters' to the
/// rounding of a few more sums.
void test_norms(Device& device) {
  const std::vector<int32_t> begin{0, 0, 20, 21, 90, 90};
  const int64_t tokens = begin.back(), samples = int64_t(begin.size()) - 1, d = 24;
  Random random(5);
  const Dense before = random.matrix(tokens, d), before_row = random.matrix(1, 2 * d);
  Strided x(device, random.matrix(tokens, d)), x_dot(device, random.matrix(tokens, d));
  Strided dy(device, random.matrix(tokens, d)), dy_dot(device, random.matrix(tokens, d));
  Buffer<float> wb(device, narrow(random.matrix(1, 2 * d))), wb_dot(device, narrow(random.matrix(1, 2 * d)));
  Buffer<float> mean(device, narrow(random.matrix(1, tokens))), rstd(device, narrow(random.matrix(1, tokens)));
  Buffer<int32_t> begin_(device, begin);
  struct Results {
    Dense dx, rows, dx_dot, row_dot;
  };
  const auto run = [&](int64_t norm_pieces) {
    const cuda::Limits usual = cuda::limits;
    cuda::limits.norm_pieces = norm_pieces;
    Strided dx(device, before), dx_dot(device, before), rows(device, samples, 2 * d);
    Buffer<float> row_dot(device, narrow(before_row));
    device.layer_norm_backward(dy, x, wb.data(), mean.data(), rstd.data(), samples, begin_.data(), dx, rows);
    device.layer_norm_backward_tangent(dy, dy_dot, x, x_dot, wb.data(), wb_dot.data(), mean.data(), rstd.data(),
                                       mean.data(), rstd.data(), dx_dot, row_dot.data());
    cuda::limits = usual;
    return Results{dx.get(), rows.get(), dx_dot.get(), widen(row_dot.get())};
  };
  const Results whole = run(cuda::limits.norm_pieces);
  const int64_t chunk_bytes = 2 * d * int64_t{sizeof(float)};
  for (const int64_t bytes : {int64_t{1}, 2 * chunk_bytes, 5 * chunk_bytes}) {
    const Results cut = run(bytes);
    CHECK(cut.dx.values == whole.dx.values);
    CHECK(cut.dx_dot.values == whole.dx_dot.values);
    expect_close("norm's parameter rows in bands", cut.rows, whole.rows, 1e-7);
    expect_close("norm's parameter tangent in bands", cut.row_dot, whole.row_dot, 1e-7);
    for (const int64_t empty : {0, 4})
      for (int64_t j = 0; j < 2 * d; ++j) CHECK(cut.rows(empty, j) == 0.0);
  }
}

}  // namespace

int main() {
  for_each_device(1, [](Device& device, const std::string&) {
    test_attention(device);
    test_gram(device);
    test_norms(device);
  });
  return exit_status();
}
