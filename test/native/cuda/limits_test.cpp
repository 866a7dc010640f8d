// Work that is cut because one launch does not take it gives the same bits as work that is not; of norms, whose
// parameters' sums are rounded once more a cut, nearly the same. Built for emulation only, where the limits can be
// small.
#include "../../../native/kernels/cuda/limits.h"

#include <algorithm>
#include <cmath>

#include "../../../native/kernels/cpu/sample_choice.h"
#include "../layers_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

struct Results {
  std::vector<double> whole, cut;
};

/// What the work gives, and with other limits.
template <class Work>
Results run_both(const cuda::Limits& limits, Work work) {
  Results results{work(), {}};
  const cuda::Limits usual = cuda::limits;
  cuda::limits = limits;
  results.cut = work();
  cuda::limits = usual;
  CHECK(!results.whole.empty() && results.whole.size() == results.cut.size());
  return results;
}

template <class Work>
void expect_same_bits(const char* name, const cuda::Limits& limits, Work work) {
  const Results results = run_both(limits, work);
  check(results.whole == results.cut, __FILE__, __LINE__, name);
}

/// For what adds up in another order: numbers from `first` on differ by at most a share of themselves.
void expect_close_from(const Results& results, size_t first, double share) {
  for (size_t i = first; i < results.whole.size(); ++i)
    CHECK(std::abs(results.whole[i] - results.cut[i]) <= share * std::abs(results.whole[i]));
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

/// A window that no query reaches the end of is none, however large.
void test_window(Device& device) {
  const std::vector<int32_t> begin{0, 19, 40};
  const int64_t tokens = begin.back(), heads = 2, head_dim = 16;
  Random random(6);
  Strided qkv(device, random.matrix(tokens, 3 * heads * head_dim)), out(device, tokens, heads * head_dim);
  Buffer<int32_t> segments(device, begin);
  Buffer<float> lse(device, heads * tokens);
  const auto values = [&](int64_t window) {
    device.attention({2, segments.data(), 21, heads, heads, head_dim, 0.25f, true, window}, qkv, out, lse.data());
    return out.get().values;
  };
  const std::vector<double> whole = values(0);
  for (const int64_t window : {int64_t{21}, int64_t{1} << 31, (int64_t{1} << 32) + 1}) CHECK(values(window) == whole);
  CHECK(values(20) != whole);
}

/// Norms, dots, Gram matrix and weighted gradient of a weight of `numbers` numbers, as call(statistics, target) has
/// them.
template <class Call>
std::vector<double> statistics_of(Device& device, const std::vector<int32_t>& begin, int64_t numbers, Call call) {
  const int64_t samples = int64_t(begin.size()) - 1, vectors = 5;
  Random random(5);
  const auto floats = [&](int64_t count) {
    std::vector<float> values;
    for (const double value : random.matrix(1, count).values) values.push_back(float(value));
    return values;
  };
  const auto zeros = [](int64_t count) { return std::vector<double>(size_t(count), 0.0); };
  Buffer<double> norms(device, zeros(samples)), dots(device, zeros(vectors * samples)),
      gram(device, zeros(samples * samples));
  Buffer<float> weights(device, floats(samples)), gradient(device, floats(numbers)),
      directions(device, floats(vectors * numbers));
  std::vector<const float*> v;
  for (int64_t k = 0; k < vectors; ++k) v.push_back(directions.data() + k * numbers);
  call(SampleStatistics{samples, begin.data(), weights.data(), norms.data(), vectors, dots.data(), gram.data()},
       WeightTarget{gradient.data(), v.data(), nullptr});
  std::vector<double> all = norms.get();
  for (Buffer<double>* more : {&dots, &gram})
    for (const double value : more->get()) all.push_back(value);
  for (const float value : gradient.get()) all.push_back(double(value));
  return all;
}

/// Statistics with more vectors, or more samples, than one launch takes.
void test_statistics(Device& device) {
  const std::vector<int32_t> begin{0, 3, 3, 20, 31};
  const int64_t tokens = begin.back(), samples = 4;
  Random random(7);
  Strided g(device, random.matrix(tokens, 9)), x(device, random.matrix(tokens, 21)),
      rows(device, random.matrix(samples, 33)), dx(device, random.matrix(tokens, 33));
  // Tokens t of the batch are number t % 2 of two; those of a sample in one group.
  std::vector<int32_t> token, sample, first{0}, positions;
  for (int32_t id = 0; id < 2; ++id)
    for (int32_t i = 0; i < samples; ++i) {
      for (int32_t t = begin[size_t(i)]; t < begin[size_t(i) + 1]; ++t)
        if (t % 2 == id) positions.push_back(t);
      if (int32_t(positions.size()) == first.back()) continue;
      token.push_back(id);
      sample.push_back(i);
      first.push_back(int32_t(positions.size()));
    }
  Buffer<int32_t> token_table(device, token), sample_table(device, sample), first_table(device, first),
      position_table(device, positions);
  const EmbeddingGroups groups{int64_t(token.size()), token_table.data(), sample_table.data(), first_table.data(),
                               position_table.data()};
  const auto of_products = [&] {
    return statistics_of(device, begin, 9 * 21,
                         [&](const SampleStatistics& s, const WeightTarget& t) { device.sample_products(g, x, s, t); });
  };
  const auto of_rows = [&] {
    return statistics_of(device, begin, 33,
                         [&](const SampleStatistics& s, const WeightTarget& t) { device.sample_rows(rows, s, t); });
  };
  const auto of_embedding = [&] {
    return statistics_of(device, begin, 2 * 33, [&](const SampleStatistics& s, const WeightTarget& t) {
      device.sample_embedding(groups, dx, s, t);
    });
  };
  for (const SampleForm form : {SampleForm::cheapest, SampleForm::tiles, SampleForm::ghost})
    for (const int64_t vectors : {1, 2, 5}) {
      cuda::Limits limits;
      limits.vectors = vectors;
      sample_form = form;
      expect_same_bits("dots with vectors in parts", limits, of_products);
    }
  sample_form = SampleForm::cheapest;
  for (const int64_t rows_of_grid : {1, 3}) {
    cuda::Limits limits;
    limits.grid_rows = rows_of_grid;
    expect_same_bits("rows in bands", limits, of_rows);
    expect_same_bits("embeddings in bands", limits, of_embedding);
  }
  // Narrower slabs of a table add up in another order, but for a gradient's numbers.
  cuda::Limits limits;
  limits.group_sums = 1;
  const Results of_slabs = run_both(limits, of_embedding);
  expect_close_from(of_slabs, 0, 1e-12);
  CHECK(std::equal(of_slabs.whole.end() - 2 * 33, of_slabs.whole.end(), of_slabs.cut.end() - 2 * 33));
}

/// The gradient alone, of samples of equal weight: in runs of tokens that end sooner, which is another order.
void test_runs(Device& device) {
  const std::vector<int32_t> begin{0, 30, 60, 60, 90};
  Random random(8);
  Strided g(device, random.matrix(90, 9)), x(device, random.matrix(90, 21));
  sample_form = SampleForm::tiles;
  cuda::Limits limits;
  limits.run = 31;
  const Results results = run_both(limits, [&] {
    Buffer<float> weights(device, std::vector<float>(4, 0.5f)), gradient(device, std::vector<float>(9 * 21, 100.0f));
    device.sample_products(g, x, {4, begin.data(), weights.data(), nullptr, 0, nullptr, nullptr},
                           {gradient.data(), nullptr, nullptr});
    std::vector<double> all;
    for (const float value : gradient.get()) all.push_back(double(value));
    return all;
  });
  sample_form = SampleForm::cheapest;
  expect_close_from(results, 0, 1e-6);
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
    test_window(device);
    test_statistics(device);
    test_runs(device);
    test_gram(device);
    test_norms(device);
  });
  return exit_status();
}
