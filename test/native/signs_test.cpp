// Random signs against the words of lib/random.ts and the known answers of Philox, and the sums of outer products
// against naive float64 loops.
#include "layers_support.h"

#define GRADFOLD_ISA signs_test
#include "../../native/kernels/cpu/philox.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

// Known answers of the generator's authors (Random123, kat_vectors, "philox4x32 10").
constexpr struct {
  uint32_t counter[4], key[2], words[4];
} kKnownAnswers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

void test_philox() {
  for (const auto& known : kKnownAnswers) {
    signs_test::PhiloxBlocks blocks = {};  // the other blocks count from 0
    const int64_t place = signs_test::kPhiloxBlocks - 3;
    for (int w = 0; w < 4; ++w) blocks.words[w][place] = known.counter[w];
    signs_test::philox4x32(blocks, known.key[0], known.key[1]);
    for (int w = 0; w < 4; ++w) CHECK(blocks.words[w][place] == known.words[w]);
  }
}

// randomUint32(seed, stream, index) of lib/random.ts.
constexpr struct {
  uint64_t seed, stream;
  struct {
    int64_t index;
    uint32_t bits;
  } words[10];
} kStreams[] = {
    {7u,
     12u,
     {{0, 0xc0f30cdd},
      {1, 0x6d5ee0b6},
      {2, 0x56311b74},
      {3, 0xd06810e6},
      {4, 0xa4b89af2},
      {7, 0x41bc526f},
      {63, 0x54e35352},
      {64, 0x973dd71e},
      {127, 0xd59a6350},
      {148, 0x02a9edbb}}},
    {25769803781u,
     562958543355913u,
     {{0, 0xd12078c1},
      {1, 0x3da15c57},
      {2, 0x10e28323},
      {3, 0x5ca246d9},
      {4, 0x40503a5b},
      {7, 0x5132c3cb},
      {63, 0x098856ab},
      {64, 0x2acaf642},
      {127, 0x4242560f},
      {148, 0x49a90395}}},
};

void test_signs(Device& device, int64_t rows, int64_t cols) {
  for (const auto& known : kStreams) {
    Strided out(device, rows, cols);
    device.random_signs(known.seed, known.stream, out);
    const Dense signs = out.get();
    bool all_signs = true, equal = true;
    for (const double sign : signs.values) all_signs = all_signs && std::fabs(sign) == 1.0;
    for (const auto& word : known.words)
      for (int64_t bit = 0; bit < 32 && 32 * word.index + bit < rows * cols; ++bit)
        equal = equal && signs.values[size_t(32 * word.index + bit)] == ((word.bits >> bit & 1) == 0 ? 1.0 : -1.0);
    CHECK(all_signs);
    CHECK(equal);
  }
}

/// Two streams are uncorrelated: the dot product of n fair signs has standard deviation √n.
void test_independence(Device& device) {
  const int64_t n = 1 << 20;
  Buffer<float> a(device, n), b(device, n), ones(device, std::vector<float>(size_t(n), 1.0f));
  device.random_signs(3, 10, Mat{a.data(), n, 1, 1});
  device.random_signs(3, 11, Mat{b.data(), n, 1, 1});
  CHECK_CLOSE("Σ of signs", device.dot(a.data(), ones.data(), n), 0.0, 4 * std::sqrt(double(n)));
  CHECK_CLOSE("⟨a, b⟩ of two streams", device.dot(a.data(), b.data(), n), 0.0, 4 * std::sqrt(double(n)));
}

void test_outer(Device& device, const std::string& name, int64_t left, int64_t right,
                const std::vector<int32_t>& begin) {
  Random random{uint64_t(left * 1000 + right)};
  const int64_t samples = int64_t(begin.size()) - 1;
  const Dense a = random.matrix(begin.back(), left), b = random.matrix(begin.back(), right);
  const Dense before = random.matrix(samples, left * right);
  const double scale = 0.3;
  Dense expected = before, size = before;  // errors are judged against Σ of magnitudes, as terms may cancel
  for (double& value : size.values) value = std::fabs(value);
  for (int64_t i = 0; i < samples; ++i)
    for (int64_t t = begin[size_t(i)]; t < begin[size_t(i) + 1]; ++t)
      for (int64_t p = 0; p < left; ++p)
        for (int64_t q = 0; q < right; ++q) {
          const double product = scale * a(t, p) * b(t, q);
          expected(i, p * right + q) += product;
          size(i, p * right + q) += std::fabs(product);
        }
  Strided a_device(device, a), b_device(device, b), rows(device, before);
  Buffer<int32_t> begin_device(device, begin);
  device.add_sample_outer(a_device, b_device, scale, samples, begin_device.data(), rows);
  const Dense error = moved(rows.get(), -1.0, expected);
  CHECK_CLOSE((name + " add_sample_outer").c_str(), std::sqrt(inner(error, error) / inner(size, size)), 0.0, 1e-7);
}

void test_all(Device& device, const std::string& name) {
  test_signs(device, 1, 1);
  test_signs(device, 37, 129);
  test_signs(device, 4773, 1);
  test_signs(device, 2, 4096);
  test_independence(device);
  for (const std::vector<int32_t>& begin :
       {std::vector<int32_t>{0, 1}, std::vector<int32_t>{0, 300}, std::vector<int32_t>{0, 0, 3, 20, 20, 37}})
    for (const auto& [left, right] : {std::pair<int64_t, int64_t>{1, 1}, {8, 8}, {5, 70}, {32, 64}, {3, 129}, {1, 300}})
      test_outer(device, name, left, right, begin);
}

}  // namespace

int main() {
  test_philox();
  for (const int threads : teams()) for_each_device(threads, test_all);
  return exit_status();
}
