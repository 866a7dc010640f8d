// Memory and products against naive float64 loops, for every instruction set and product that this
// machine has.
#include "references.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

Dense transposed(const Dense& m) {
  Dense t(m.cols, m.rows);
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t c = 0; c < m.cols; ++c) t(c, r) = m(r, c);
  return t;
}

// ---- memory --------------------------------------------------------------------------------------------------------

void test_device(Device& device, const std::string& name) {
  CHECK(name.find(device.isa()) == 0);
  CHECK(std::string(device.gemm()).find("portable") == 0 || std::string(device.gemm()).find("oneDNN ") == 0);
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{5} << 20}) {
    void* memory = device.allocate(bytes);
    CHECK(reinterpret_cast<uintptr_t>(memory) % 64 == 0);
    device.release(memory);
  }
}

// ---- products -------------------------------------------------------------------------------------------------------

Dense magnitudes(Dense m) {
  for (double& value : m.values) value = std::fabs(value);
  return m;
}

/// The error of a product is judged against |a| |b|, as its terms may cancel.
void test_matmul(Device& device, const std::string& name, int64_t rows, int64_t cols, int64_t depth) {
  Random random{uint64_t(rows * 1000000 + cols * 1000 + depth)};
  const Dense a = random.matrix(depth, rows), b = random.matrix(depth, cols), c = random.matrix(rows, cols);
  const Dense product = outer_sum(a, b, 0, depth);
  const Dense size = moved(magnitudes(c), 1.0, outer_sum(magnitudes(a), magnitudes(b), 0, depth));
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true})
      for (const float beta : {0.0f, 1.0f}) {
        Strided a_device(device, transpose_a ? a : transposed(a)), b_device(device, transpose_b ? transposed(b) : b);
        Strided c_device(device, c);
        device.matmul(a_device, transpose_a, b_device, transpose_b, c_device, beta);
        const Dense error = moved(c_device.get(), -1.0, beta == 0.0f ? product : moved(c, 1.0, product));
        const std::string shape = std::to_string(rows) + "x" + std::to_string(cols) + "x" + std::to_string(depth);
        CHECK_CLOSE((name + " matmul " + shape + (transpose_a ? " T" : " N") + (transpose_b ? "T" : "N")).c_str(),
                    std::sqrt(inner(error, error) / inner(size, size)), 0.0, 5e-7);
      }
}

/// beta 0 does not read c, whatever is in it.
void test_matmul_over_nan(Device& device) {
  for (const int64_t depth : {0, 5}) {
    Buffer<float> a(device, std::vector<float>(16 * 5, 1.0f)), b(device, std::vector<float>(16 * 5, 1.0f));
    Buffer<float> c(device, std::vector<float>(256, __builtin_nanf("")));
    device.matmul(ConstMat{a.data(), 16, depth, 5}, false, ConstMat{b.data(), 16, depth, 5}, true,
                  Mat{c.data(), 16, 16, 16}, 0.0f);
    CHECK(c.get() == std::vector<float>(256, float(depth)));
  }
}

// ---- opening --------------------------------------------------------------------------------------------------------

/// Opening must fail with a message that names the value and what there is instead.
void check_refused(int threads, const char* isa, const char* gemm, const char* named) {
  std::string message;
  try {
    open_cpu_device(threads, Type::f32, isa, gemm);
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  check(message.find(named) != std::string::npos, __FILE__, __LINE__,
        ("the refusal names " + std::string(named)).c_str());
}

void test_open() {
  check_refused(0, nullptr, nullptr, "0");
  check_refused(1, "avx1024", nullptr, "\"avx1024\"");
  check_refused(1, "avx1024", nullptr, "\"baseline\"");
  check_refused(1, nullptr, "mkl", "\"mkl\"");
  check_refused(1, nullptr, "mkl", "\"portable\"");
  CHECK(open_cpu_device(3, Type::f32, nullptr, nullptr)->threads() == 3);
}

void test_all(Device& device, const std::string& name) {
  test_device(device, name);
  for (const int64_t rows : {1, 7, 64, 257})
    for (const int64_t cols : {1, 7, 64, 257})
      for (const int64_t depth : {1, 7, 257}) test_matmul(device, name, rows, cols, depth);
  test_matmul(device, name, 400, 5, 600);
  test_matmul(device, name, 64, 64, 0);
  test_matmul_over_nan(device);
}

}  // namespace

int main() {
  test_open();
  for (const int threads : {1, 3}) for_each_device(threads, test_all);
  return exit_status();
}
