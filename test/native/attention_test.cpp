// The attention kernels against naive float64 loops, and their tangents against central differences of those loops.
#include <algorithm>
#include <iterator>

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
    {"bidirectional window over several blocks", {1, 260}, 2, 1, 10, false, 70},
    {"window of one token", {40, 2}, 2, 2, 8, true, 1},
    {"window longer than the segments", {40, 100}, 2, 2, 8, false, 300},
    {"packed short documents", {3, 1, 8, 5, 2, 1, 4}, 4, 1, 64, true, 0},
    {"one-token segments", {1, 1, 1}, 2, 2, 16, true, 0},
    {"one key head", {200}, 2, 1, 10, true, 0},
    {"wide heads", {100}, 2, 2, 136, true, 0},
    {"wider heads in a window", {5, 40}, 2, 1, 256, false, 9},
    {"heads of 128, grouped", {70}, 4, 2, 128, true, 0},
    // Sizes beside the squares of 32 that tiles are used in (native/kernels/cpu/tile_attention.h).
    {"heads of 80, bidirectional", {97, 33, 15, 16, 17}, 2, 2, 80, false, 0},
    {"heads of 33 in a window", {31, 130}, 2, 1, 33, true, 20},
    {"heads of 48 in a bidirectional window", {113, 48}, 2, 1, 48, false, 40},
    // Segments longer than a tile of keys (kKeyTile in native/kernels/cpu/attention.h).
    {"several tiles, grouped", {3, 2200}, 2, 1, 4, true, 0},
    {"several tiles, bidirectional", {2150}, 1, 1, 4, false, 0},
    {"several tiles and a window", {4700}, 1, 1, 4, false, 30},
    {"several tiles in a window", {2300}, 1, 1, 6, true, 2200},
};

/// A query's softmax over the keys [begin, end) of its segment, the ones that it sees.
struct Softmax {
  int64_t begin, end;
  std::vector<double> probabilities;
  double lse;
};

Softmax softmax(const Case& c, const Dense& qkv, int64_t segment, int64_t length, int64_t head, int64_t t) {
  const int64_t query = head * c.head_dim, key = (c.heads + head / (c.heads / c.kv_heads)) * c.head_dim;
  const auto visible = [&](int64_t j) {
    return !(c.causal && j > t) && !(c.window > 0 && std::abs(t - j) >= c.window);
  };
  Softmax result{0, length, {}, 0.0};
  while (!visible(result.begin)) ++result.begin;
  while (!visible(result.end - 1)) --result.end;
  double sum = 0;
  for (int64_t j = result.begin; j < result.end; ++j) {
    double score = 0;
    for (int64_t i = 0; i < c.head_dim; ++i) score += qkv(segment + t, query + i) * qkv(segment + j, key + i);
    result.probabilities.push_back(std::exp(c.scale() * score));
    sum += result.probabilities.back();
  }
  for (double& p : result.probabilities) p /= sum;
  result.lse = std::log(sum);
  return result;
}

/// Calls work(first token, head, value column, t, softmax) for every query.
template <class Work>
void for_each_query(const Case& c, const Dense& qkv, Work work) {
  const std::vector<int32_t> begin = c.begin();
  for (size_t s = 0; s < c.lengths.size(); ++s)
    for (int64_t head = 0; head < c.heads; ++head)
      for (int64_t t = 0; t < c.lengths[s]; ++t)
        work(int64_t(begin[s]), head, (c.heads + c.kv_heads + head / (c.heads / c.kv_heads)) * c.head_dim, t,
             softmax(c, qkv, begin[s], c.lengths[s], head, t));
}

Dense forward(const Case& c, const Dense& qkv, Dense* lse = nullptr) {
  Dense out(c.tokens(), c.heads * c.head_dim);
  for_each_query(c, qkv, [&](int64_t first, int64_t head, int64_t value, int64_t t, const Softmax& s) {
    if (lse) (*lse)(head, first + t) = s.lse;
    for (int64_t j = s.begin; j < s.end; ++j)
      for (int64_t i = 0; i < c.head_dim; ++i)
        out(first + t, head * c.head_dim + i) += s.probabilities[size_t(j - s.begin)] * qkv(first + j, value + i);
  });
  return out;
}

Dense backward(const Case& c, const Dense& qkv, const Dense& dout) {
  Dense dqkv(c.tokens(), c.qkv_columns());
  for_each_query(c, qkv, [&](int64_t first, int64_t head, int64_t value, int64_t t, const Softmax& s) {
    const int64_t query = head * c.head_dim, key = value - c.kv_heads * c.head_dim;
    std::vector<double> dp(s.probabilities.size(), 0.0);
    double mean = 0;
    for (int64_t j = s.begin; j < s.end; ++j) {
      const double p = s.probabilities[size_t(j - s.begin)];
      double& dp_j = dp[size_t(j - s.begin)];
      for (int64_t i = 0; i < c.head_dim; ++i) {
        dp_j += dout(first + t, query + i) * qkv(first + j, value + i);
        dqkv(first + j, value + i) += p * dout(first + t, query + i);
      }
      mean += p * dp_j;
    }
    for (int64_t j = s.begin; j < s.end; ++j) {
      const double ds = c.scale() * s.probabilities[size_t(j - s.begin)] * (dp[size_t(j - s.begin)] - mean);
      for (int64_t i = 0; i < c.head_dim; ++i) {
        dqkv(first + t, query + i) += ds * qkv(first + j, key + i);
        dqkv(first + j, key + i) += ds * qkv(first + t, query + i);
      }
    }
  });
  return dqkv;
}

/// Inputs of a case and what every kernel should make of them.
struct Expected {
  Dense qkv, qkv_dot, dout, dout_dot, lse, out, out_dot, dqkv, dqkv_dot;
};

/// With inputs that type T holds exactly.
template <class T>
Expected expected_of(const Case& c) {
  Random random(7);
  const auto inputs = [&](int64_t columns, double size) {
    Dense x = random.matrix(c.tokens(), columns, size);
    for (double& value : x.values) value = widened(narrowed<T>(value));
    return x;
  };
  const Dense qkv = inputs(c.qkv_columns(), 2.0), qkv_dot = inputs(c.qkv_columns(), 1.0);
  const Dense dout = inputs(c.heads * c.head_dim, 1.0), dout_dot = inputs(c.heads * c.head_dim, 1.0);
  Dense lse(c.heads, c.tokens());
  const Dense out = forward(c, qkv, &lse), dqkv = backward(c, qkv, dout);
  const auto along = [&](double step) { return forward(c, moved(qkv, step, qkv_dot)); };
  check_gradient(c.name, dqkv, qkv_dot, dout, along);
  const Dense dqkv_dot =
      derivative([&](double step) { return backward(c, moved(qkv, step, qkv_dot), moved(dout, step, dout_dot)); });
  return {qkv, qkv_dot, dout, dout_dot, lse, out, derivative(along), dqkv, dqkv_dot};
}

/// Times that a bfloat16 result is rounded, each by at most 2⁻⁹ of a number: at the end; and where probabilities and
/// the gradients of scores are operands of bfloat16 products (a CUDA device, tiles), before.
enum Roundings { kOnce = 1, kTwice = 2 };
#ifdef GRADFOLD_TEST_CUDA
constexpr Roundings kUsual = kTwice;
#else
constexpr Roundings kUsual = kOnce;
#endif

/// Relative error of a kernel's results: of float32 sums, or of bfloat16 numbers.
template <class T>
double tolerance(double of_float32, Roundings roundings) {
  return std::is_same_v<T, float> ? of_float32 : roundings * 2e-3;
}

/// The cases of this build's devices: for a CUDA device, whose tiles are smaller and which may be emulated, without
/// those of more tokens than a tile of the CPU has, and with shorter segments.
std::vector<Case> cases() {
  std::vector<Case> all(std::begin(kCases), std::end(kCases));
#ifdef GRADFOLD_TEST_CUDA
  constexpr int32_t kLongest = 140;  // two of its tiles and a part of a third
  all.erase(std::remove_if(all.begin(), all.end(), [](const Case& c) { return c.tokens() > 2000; }), all.end());
  for (Case& c : all)
    for (int32_t& length : c.lengths) length = std::min(length, kLongest);
#endif
  return all;
}

template <class T>
void check(const Case& c, const Expected& e, Device& device, const std::string& device_name, Roundings roundings,
           bool dual = false) {
  const std::string name = std::string(c.name) + (std::is_same_v<T, Bf16> ? ", bf16, " : ", ") + device_name +
                           (dual ? ", dual pass: " : ": ");
  const int64_t tokens = c.tokens(), columns = c.qkv_columns(), out_columns = c.heads * c.head_dim;
  Buffer<int32_t> begin(device, c.begin());
  AttentionShape shape = c.shape(begin.data());
  shape.dual = dual;
  StridedOf<T> qkv(device, e.qkv), qkv_dot(device, e.qkv_dot), dout(device, e.dout), dout_dot(device, e.dout_dot);
  StridedOf<T> out(device, tokens, out_columns), out_dot(device, tokens, out_columns);
  StridedOf<T> dqkv(device, tokens, columns), dqkv_again(device, tokens, columns), dqkv_dot(device, tokens, columns);
  Buffer<float> lse(device, c.heads * tokens);

  device.attention(shape, qkv, out, lse.data());
  expect_close(name + "out", out.get(), e.out, tolerance<T>(1e-6, roundings));
  expect_close(name + "lse", widen(lse.get()), widen(e.lse.values), 1e-6);

  device.attention_tangent(shape, qkv, qkv_dot, lse.data(), out_dot);
  expect_close(name + "out_dot", out_dot.get(), e.out_dot, tolerance<T>(2e-6, roundings));

  device.attention_backward(shape, qkv, out, lse.data(), dout, dqkv);
  expect_close(name + "dqkv", dqkv.get(), e.dqkv, tolerance<T>(2e-6, roundings));
  device.attention_backward(shape, qkv, out, lse.data(), dout, dqkv_again);
  CHECK(dqkv.get().values == dqkv_again.get().values);

  device.attention_backward_tangent(shape, qkv, qkv_dot, lse.data(), dout, dout_dot, dqkv, dqkv_dot);
  expect_close(name + "dqkv of the dual pass", dqkv.get(), e.dqkv, tolerance<T>(2e-6, roundings));
  expect_close(name + "dqkv_dot", dqkv_dot.get(), e.dqkv_dot, tolerance<T>(2e-6, roundings));
}

template <class T>
void check_everywhere(const Case& c) {
  const Expected e = expected_of<T>(c);
  // Five threads cut the pairs of a segment and a key head into several parts each.
  std::vector<int> of_cpu{1, 2};
  if (c.kv_heads == 1) of_cpu.push_back(5);
  if (c.tokens() > 2000) of_cpu = {3};
  for (int threads : teams().size() > 1 ? of_cpu : teams()) {
    for_each_device(threads, [&](Device& device, const std::string& name) { check<T>(c, e, device, name, kUsual); });
    if (std::is_same_v<T, Bf16>)
      for (const Opened& tiled : open_tiled(threads)) {
        check<T>(c, e, *tiled.device, tiled.name, kTwice);
        check<T>(c, e, *tiled.device, tiled.name, kOnce, true);
      }
  }
}

}  // namespace

int main() {
  for (const Case& c : cases()) {
    check_everywhere<float>(c);
    check_everywhere<Bf16>(c);
  }
  return exit_status();
}
