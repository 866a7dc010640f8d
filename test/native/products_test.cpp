// Matrix products of both types and prepared weights against naive float64 loops over the rounded operands, for every
// instruction set and product that this machine has.
#include <omp.h>

#include "layers_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

Dense transposed(const Dense& m) {
  Dense t(m.cols, m.rows);
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t c = 0; c < m.cols; ++c) t(c, r) = m(r, c);
  return t;
}

Dense magnitudes(Dense m) {
  for (double& value : m.values) value = std::fabs(value);
  return m;
}

Dense filled(int64_t rows, int64_t cols, double value) {
  Dense m(rows, cols);
  for (double& number : m.values) number = value;
  return m;
}

/// a b of a [rows × depth], b [depth × cols]
Dense multiplied(const Dense& a, const Dense& b) {
  Dense sum(a.rows, b.cols);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t k = 0; k < a.cols; ++k)
      for (int64_t c = 0; c < b.cols; ++c) sum(r, c) += a(r, k) * b(k, c);
  return sum;
}

template <class T>
Dense random_numbers(Random& random, int64_t rows, int64_t cols) {
  Dense m = random.matrix(rows, cols);
  for (double& value : m.values) value = widened(narrowed<T>(value));
  return m;
}

/// What float32 sums of products may lose, relative to the sum of the terms' magnitudes since they may cancel. Three
/// products of two parts leave out one of 2⁻¹⁶ of a term, and either factor loses 2⁻¹⁷.
double term_error(const Device& device) {
  return 2e-6 + (std::string(device.gemm()) == "AMX bf16x3" ? std::ldexp(1.0, -15) : 0.0);
}

/// Checks every number: term_error, and half a unit in the last place where C is bfloat16.
template <class T>
void expect_product(const Device& device, const std::string& what, const Dense& actual, const Dense& expected,
                    const Dense& size) {
  double worst = 0;  // of the error over what is allowed
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double exact = expected.values[i];
    const double rounding = std::is_same_v<T, Bf16> && exact != 0 ? std::ldexp(1.0, std::ilogb(exact) - 8) : 0.0;
    const double error = std::fabs(actual.values[i] - exact) / (term_error(device) * size.values[i] + rounding);
    if (!(error <= worst)) worst = error;  // NaN too
  }
  CHECK_CLOSE((what + ", error over what rounding allows").c_str(), worst, 0.0, 1.0);
}

struct Operands {
  Dense a, b, c, product, size;  // size: |a| |b| + |c|
};

template <class T, class TC>
Operands random_operands(int64_t rows, int64_t cols, int64_t depth) {
  Random random{uint64_t(rows * 1000000 + cols * 1000 + depth)};
  const Dense a = random_numbers<T>(random, rows, depth), b = random_numbers<T>(random, depth, cols);
  const Dense c = random_numbers<TC>(random, rows, cols);
  return {a, b, c, multiplied(a, b), moved(magnitudes(c), 1.0, multiplied(magnitudes(a), magnitudes(b)))};
}

std::string shape_name(int64_t rows, int64_t cols, int64_t depth) {
  return " " + std::to_string(rows) + "x" + std::to_string(cols) + "x" + std::to_string(depth);
}

template <class T, class TC>
void test_matmul_of(Device& device, const std::string& name, int64_t rows, int64_t cols, int64_t depth) {
  const Operands o = random_operands<T, TC>(rows, cols, depth);
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true})
      for (const float beta : {0.0f, 1.0f}) {
        StridedOf<T> a(device, transpose_a ? transposed(o.a) : o.a), b(device, transpose_b ? transposed(o.b) : o.b);
        StridedOf<TC> c(device, o.c);
        device.matmul(a, transpose_a, b, transpose_b, c, beta);
        expect_product<TC>(device,
                           name + " matmul" + shape_name(rows, cols, depth) + (transpose_a ? " T" : " N") +
                               (transpose_b ? "T" : "N") + (std::is_same_v<T, Bf16> ? " bfloat16" : " float32") +
                               (std::is_same_v<TC, Bf16> ? " into bfloat16" : " into float32"),
                           c.get(), beta == 0.0f ? o.product : moved(o.c, 1.0, o.product), o.size);
      }
}

void test_matmul(Device& device, const std::string& name, int64_t rows, int64_t cols, int64_t depth) {
  test_matmul_of<float, float>(device, name, rows, cols, depth);
  if (device.precision() == Type::f32) return;
  test_matmul_of<Bf16, float>(device, name, rows, cols, depth);
  test_matmul_of<Bf16, Bf16>(device, name, rows, cols, depth);
}

/// Every thread of a team multiplies on its own, into a C of its own.
template <class T, class TC>
void test_in_team(Device& device, const std::string& name, int64_t rows, int64_t cols, int64_t depth) {
  const Operands o = random_operands<T, TC>(rows, cols, depth);
  StridedOf<T> a(device, transposed(o.a)), b(device, o.b);
  std::vector<std::unique_ptr<StridedOf<TC>>> c;
  for (int thread = 0; thread < 3; ++thread) c.push_back(std::make_unique<StridedOf<TC>>(device, o.c));
#pragma omp parallel num_threads(3)
  for (int repeat = 0; repeat < 3; ++repeat)
    device.matmul(a, true, b, false, *c[size_t(omp_get_thread_num())], repeat == 0 ? 1.0f : 0.0f);
  for (const auto& mine : c)
    expect_product<TC>(device, name + " in a team" + shape_name(rows, cols, depth), mine->get(), o.product, o.size);
}

/// beta 0 does not read c, whatever is in it.
template <class T, class TC>
void test_over_nan(Device& device) {
  for (const int64_t depth : {0, 5, 70})
    for (const int64_t side : {16, 19, 64}) {
      StridedOf<T> a(device, filled(side, depth, 1.0)), b(device, filled(side, depth, 1.0));
      StridedOf<TC> c(device, filled(side, side, __builtin_nan("")));
      device.matmul(a, false, b, true, c, 0.0f);
      CHECK(c.get().values == filled(side, side, double(depth)).values);
    }
}

/// A NaN or an infinity spoils its own row (of a) or column (of b), and nothing beside it.
template <class T, class TC>
void test_not_finite(Device& device, const std::string& name) {
  const int64_t rows = 35, cols = 41, depth = 67;
  const Operands o = random_operands<T, TC>(rows, cols, depth);
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true})
      for (const double odd : {double(__builtin_nanf("")), double(__builtin_inff())}) {
        Dense left = o.a, right = o.b;
        left(34, 66) = odd;
        right(66, 40) = odd;
        StridedOf<T> a(device, transpose_a ? transposed(left) : left),
            b(device, transpose_b ? transposed(right) : right);
        StridedOf<TC> c(device, rows, cols);
        device.matmul(a, transpose_a, b, transpose_b, c, 0.0f);
        const Dense out = c.get();
        int64_t wrong = 0;
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t j = 0; j < cols; ++j) wrong += std::isfinite(out(r, j)) == (r == 34 || j == 40);
        check(wrong == 0, __FILE__, __LINE__, (name + " spreads what is not finite as it should").c_str());
      }
}

/// Equal inputs give equal bits.
template <class T, class TC>
void test_repeatable(Device& device) {
  Random random(3);
  StridedOf<T> a(device, random.matrix(130, 900)), b(device, random.matrix(900, 700));
  StridedOf<TC> first(device, 130, 700), second(device, 130, 700);
  device.matmul(a, false, b, false, first, 0.0f);
  device.matmul(a, false, b, false, second, 0.0f);
  CHECK(first.get().values == second.get().values);
}

/// y = x op(W) + beta y from what prepare_weight made of a float32 W.
template <class T, class TC>
void test_weight(Device& device, const std::string& name, int64_t rows, int64_t cols, int64_t tokens) {
  Random random{uint64_t(rows * 1000 + cols)};
  const Dense w = random_numbers<float>(random, rows, cols);
  Dense used = w;
  for (double& value : used.values) value = widened(narrowed<T>(value));
  Strided weight(device, w);
  Buffer<char> prepared(device, int64_t(device.prepared_bytes(rows, cols)));
  device.prepare_weight(weight, prepared.data());
  for (const bool transpose : {false, true})
    for (const float beta : {0.0f, 1.0f}) {
      const Dense right = transpose ? transposed(used) : used;
      const Dense left = random_numbers<T>(random, tokens, right.rows);
      const Dense start = random_numbers<TC>(random, tokens, right.cols);
      const Dense product = multiplied(left, right);
      StridedOf<T> x(device, left);
      StridedOf<TC> y(device, start);
      device.apply_weight(x, {weight, prepared.data()}, transpose, y, beta);
      expect_product<TC>(device, name + " weight" + shape_name(rows, cols, tokens) + (transpose ? " T" : " N"), y.get(),
                         beta == 0.0f ? product : moved(start, 1.0, product),
                         moved(magnitudes(start), 1.0, multiplied(magnitudes(left), magnitudes(right))));
    }
}

template <class T, class TC>
void test_weights(Device& device, const std::string& name) {
  for (const int64_t rows : {1, 33, 64})
    for (const int64_t cols : {1, 40, 300}) test_weight<T, TC>(device, name, rows, cols, 35);
  test_weight<T, TC>(device, name, 48, 1700, 64);
  test_weight<T, TC>(device, name, 64, 1100, 200);
}

template <class T, class TC>
void test_types(Device& device, const std::string& name) {
  test_over_nan<T, TC>(device);
  test_not_finite<T, TC>(device, name);
  test_repeatable<T, TC>(device);
  for (const int64_t depth : {5, 64, 1000}) test_in_team<T, TC>(device, name, 70, 50, depth);
  test_in_team<T, TC>(device, name, 192, 256, 320);
}

void test_device(Device& device, const std::string& name) {
#ifdef GRADFOLD_TEST_CUDA
  const std::vector<int64_t> sides{1, 17, 64, 129},
      depths{1, 31, 64, 257};  // about its own tiles; emulation takes time
#else
  const std::vector<int64_t> sides{1, 15, 16, 17, 31, 33, 64, 257}, depths{1, 31, 64, 257};
#endif
  if (device.threads() == 1)
    for (const int64_t rows : sides)
      for (const int64_t cols : sides)
        for (const int64_t depth : depths)
          if (rows * cols * depth < 1 << 20) test_matmul(device, name, rows, cols, depth);
  test_matmul(device, name, 400, 5, 600);
  test_matmul(device, name, 33, 40, 2500);
  test_matmul(device, name, 96, 64, 1700);
  test_matmul(device, name, 40, 1300, 70);
  test_matmul(device, name, 300, 300, 257);
  test_matmul(device, name, 200, 128, 700);
  test_matmul(device, name, 64, 64, 0);
#ifndef GRADFOLD_TEST_CUDA
  test_matmul(device, name, 520, 33, 1024);  // several blocks of the operand that stays in cache, left and right
  test_matmul(device, name, 33, 520, 1024);
  test_matmul(device, name, 600, 2048, 5);  // two panels of what oneDNN keeps in float32 first
#endif
  test_types<float, float>(device, name);
  if (device.precision() == Type::f32) return test_weights<float, float>(device, name);
  test_types<Bf16, float>(device, name);
  test_types<Bf16, Bf16>(device, name);
  test_weights<Bf16, float>(device, name);
  test_weights<Bf16, Bf16>(device, name);
}

/// Products take turns on one thread without disturbing each other: those on tiles configure them for themselves.
void test_taking_turns() {
  std::vector<Opened> all = open_all(1, Type::bf16);
  const Operands o = random_operands<Bf16, float>(100, 90, 300);
  for (int turn = 0; turn < 3; ++turn)
    for (Opened& opened : all) {
      StridedBf16 a(*opened.device, o.a), b(*opened.device, o.b);
      Strided c(*opened.device, 100, 90);
      opened.device->matmul(a, false, b, false, c, 0.0f);
      expect_product<float>(*opened.device, opened.name + " in turn", c.get(), o.product, o.size);
    }
}

#ifndef GRADFOLD_TEST_CUDA
void check_refused(Type precision, const char* gemm, const char* named) {
  std::string message;
  try {
    open_cpu_device(1, precision, nullptr, gemm);
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  check(message.find(named) != std::string::npos, __FILE__, __LINE__,
        ("the refusal names " + std::string(named)).c_str());
}

void test_open() {
  check_refused(Type::f32, "amx", "float32 matrix product \"amx\"");
  check_refused(Type::f32, "mkl", "\"portable\"");
  check_refused(Type::bf16, "mkl", "bfloat16 matrix product \"mkl\"");
  for (const Type precision : {Type::f32, Type::bf16}) {
    const std::unique_ptr<Device> device = open_cpu_device(1, precision, nullptr, nullptr);
    CHECK(device->precision() == precision);
    CHECK(std::string(device->gemm()) == open_all(1, precision)[0].device->gemm());
    CHECK(device->prepared_bytes(10, 20) >= (precision == Type::f32 ? 0u : 400u));
  }
}
#endif

}  // namespace

int main() {
#ifndef GRADFOLD_TEST_CUDA
  test_open();
#endif
  test_taking_turns();
  for (const int threads : teams())
    for (const Type precision : {Type::f32, Type::bf16})
      for (Opened& opened : open_all(threads, precision)) test_device(*opened.device, opened.name);
  return exit_status();
}
