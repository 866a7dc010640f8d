// The attention kernels against naive float64 loops, and their tangents against central differences of those loops.
#include "layers_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

struct Case {
  const char* name;
  std::vector<int32_t> lengths;  // of the segments
  int64_t heads, kv_heads, head_dim;
  bool causal;
  int64_t window;

  int64_t tokens() const { return begin().back(); }
  int64_t qkv_columns() const { return (heads + 2 * kv_heads) * head_dim; }
  double scale() const { return 1.0 / std::sqrt(double(head_dim)); }
  std::vector<int32_t> begin() const {
    std::vector<int32_t> result{0};
    for (int32_t length : lengths) result.push_back(result.back() + length);
    return result;
  }
  AttentionShape shape(const int32_t* device_begin) const {
    int64_t longest = 0;
    for (int32_t length : lengths) longest = length > longest ? length : longest;
    return {int64_t(lengths.size()), device_begin, longest, heads, kv_heads, head_dim, float(scale()), causal, window};
  }
};

const Case kCases[] = {
    {"causal, grouped", {1, 7, 64, 65, 257}, 4, 2, 64, true, 0},
    {"bidirectional, narrow heads", {65, 1, 257, 7}, 4, 2, 6, false, 0},
    {"causal window", {64, 130, 3}, 4, 2, 16, true, 5},
    {"causal window over several blocks", {200}, 2, 2, 8, true, 70},
    {"bidirectional window", {7, 140}, 4, 2, 6, false, 5},
    {"packed short documents", {3, 1, 8, 5, 2, 1, 4}, 4, 1, 64, true, 0},
    {"one key head", {200}, 2, 1, 10, true, 0},
};

struct Softmax {
  std::vector<double> probabilities;  // of the segment's keys, zero where hidden
  double lse;
};

Softmax softmax(const Case& c, const Dense& qkv, int64_t begin, int64_t length, int64_t head, int64_t t) {
  const int64_t query = head * c.head_dim, key = (c.heads + head / (c.heads / c.kv_heads)) * c.head_dim;
  Softmax result{std::vector<double>(size_t(length), 0.0), 0.0};
  double sum = 0;
  for (int64_t j = 0; j < length; ++j) {
    if ((c.causal && j > t) || (c.window > 0 && j <= t - c.window)) continue;
    double score = 0;
    for (int64_t i = 0; i < c.head_dim; ++i) score += qkv(begin + t, query + i) * qkv(begin + j, key + i);
    sum += result.probabilities[size_t(j)] = std::exp(c.scale() * score);
  }
  for (double& p : result.probabilities) p /= sum;
  result.lse = std::log(sum);
  return result;
}

/// Calls work(begin, length, head, value column, t) for every query.
template <class Work>
void for_each_query(const Case& c, Work work) {
  const std::vector<int32_t> begin = c.begin();
  for (size_t s = 0; s < c.lengths.size(); ++s)
    for (int64_t head = 0; head < c.heads; ++head)
      for (int64_t t = 0; t < c.lengths[s]; ++t)
        work(int64_t(begin[s]), int64_t(c.lengths[s]), head,
             (c.heads + c.kv_heads + head / (c.heads / c.kv_heads)) * c.head_dim, t);
}

Dense forward(const Case& c, const Dense& qkv, Dense* lse = nullptr) {
  Dense out(c.tokens(), c.heads * c.head_dim);
  for_each_query(c, [&](int64_t begin, int64_t length, int64_t head, int64_t value, int64_t t) {
    const Softmax s = softmax(c, qkv, begin, length, head, t);
    if (lse) (*lse)(head, begin + t) = s.lse;
    for (int64_t j = 0; j < length; ++j)
      for (int64_t i = 0; i < c.head_dim; ++i)
        out(begin + t, head * c.head_dim + i) += s.probabilities[size_t(j)] * qkv(begin + j, value + i);
  });
  return out;
}

Dense backward(const Case& c, const Dense& qkv, const Dense& dout) {
  Dense dqkv(c.tokens(), c.qkv_columns());
  for_each_query(c, [&](int64_t begin, int64_t length, int64_t head, int64_t value, int64_t t) {
    const int64_t query = head * c.head_dim, key = value - c.kv_heads * c.head_dim;
    const Softmax s = softmax(c, qkv, begin, length, head, t);
    std::vector<double> dp(size_t(length), 0.0);
    double mean = 0;
    for (int64_t j = 0; j < length; ++j) {
      const double p = s.probabilities[size_t(j)];
      for (int64_t i = 0; i < c.head_dim; ++i) {
        dp[size_t(j)] += dout(begin + t, query + i) * qkv(begin + j, value + i);
        dqkv(begin + j, value + i) += p * dout(begin + t, query + i);
      }
      mean += p * dp[size_t(j)];
    }
    for (int64_t j = 0; j < length; ++j) {
      const double ds = c.scale() * s.probabilities[size_t(j)] * (dp[size_t(j)] - mean);
      for (int64_t i = 0; i < c.head_dim; ++i) {
        dqkv(begin + t, query + i) += ds * qkv(begin + j, key + i);
        dqkv(begin + j, key + i) += ds * qkv(begin + t, query + i);
      }
    }
  });
  return dqkv;
}

/// Inputs of a case and what every kernel should make of them.
struct Expected {
  Dense qkv, qkv_dot, dout, dout_dot, lse, out, out_dot, dqkv, dqkv_dot;
};

Expected expected_of(const Case& c) {
  Random random(7);
  const Dense qkv = random.matrix(c.tokens(), c.qkv_columns(), 2.0);
  const Dense qkv_dot = random.matrix(c.tokens(), c.qkv_columns());
  const Dense dout = random.matrix(c.tokens(), c.heads * c.head_dim);
  const Dense dout_dot = random.matrix(c.tokens(), c.heads * c.head_dim);
  Dense lse(c.heads, c.tokens());
  const Dense out = forward(c, qkv, &lse), dqkv = backward(c, qkv, dout);
  const auto along = [&](double step) { return forward(c, moved(qkv, step, qkv_dot)); };
  check_gradient(c.name, dqkv, qkv_dot, dout, along);
  const Dense dqkv_dot =
      derivative([&](double step) { return backward(c, moved(qkv, step, qkv_dot), moved(dout, step, dout_dot)); });
  return {qkv, qkv_dot, dout, dout_dot, lse, out, derivative(along), dqkv, dqkv_dot};
}

void check(const Case& c, const Expected& e, Device& device, const std::string& device_name) {
  const std::string name = std::string(c.name) + ", " + device_name + ": ";
  const int64_t tokens = c.tokens(), columns = c.qkv_columns(), out_columns = c.heads * c.head_dim;
  Buffer<int32_t> begin(device, c.begin());
  const AttentionShape shape = c.shape(begin.data());
  Strided qkv(device, e.qkv), qkv_dot(device, e.qkv_dot), dout(device, e.dout), dout_dot(device, e.dout_dot);
  Strided out(device, tokens, out_columns), out_dot(device, tokens, out_columns);
  Strided dqkv(device, tokens, columns), dqkv_again(device, tokens, columns), dqkv_dot(device, tokens, columns);
  Buffer<float> lse(device, c.heads * tokens);

  device.attention(shape, qkv, out, lse.data());
  expect_close(name + "out", out.get(), e.out, 1e-6);
  expect_close(name + "lse", widen(lse.get()), widen(e.lse.values), 1e-6);

  device.attention_tangent(shape, qkv, qkv_dot, lse.data(), out_dot);
  expect_close(name + "out_dot", out_dot.get(), e.out_dot, 2e-6);

  device.attention_backward(shape, qkv, out, lse.data(), dout, dqkv);
  expect_close(name + "dqkv", dqkv.get(), e.dqkv, 2e-6);
  device.attention_backward(shape, qkv, out, lse.data(), dout, dqkv_again);
  CHECK(dqkv.get().values == dqkv_again.get().values);

  device.attention_backward_tangent(shape, qkv, qkv_dot, lse.data(), dout, dout_dot, dqkv, dqkv_dot);
  expect_close(name + "dqkv of the dual pass", dqkv.get(), e.dqkv, 2e-6);
  expect_close(name + "dqkv_dot", dqkv_dot.get(), e.dqkv_dot, 2e-6);
}

}  // namespace

int main() {
  for (const Case& c : kCases) {
    const Expected e = expected_of(c);
    // Five threads cut a pair of "one key head" into more parts than it has query blocks.
    std::vector<int> teams{1, 2};
    if (c.kv_heads == 1) teams.push_back(5);
    for (int threads : teams)
      for_each_device(threads, [&](Device& device, const std::string& name) { check(c, e, device, name); });
  }
  return exit_status();
}
