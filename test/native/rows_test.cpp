// The kernels that move, convert and add rows against naive loops, in both number types.
#include "rounding.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

/// Rows of a table of `limit` rows, some repeated, none in order.
std::vector<int32_t> scattered_index(int64_t count, int64_t limit) {
  std::vector<int32_t> index;
  for (int64_t r = 0; r < count; ++r) index.push_back(int32_t((r * r + 3 * r + 5) % limit));
  return index;
}

Dense gathered(const Dense& table, const std::vector<int32_t>& index) {
  Dense out(int64_t(index.size()), table.cols);
  for (int64_t r = 0; r < out.rows; ++r)
    for (int64_t c = 0; c < out.cols; ++c) out(r, c) = table(index[size_t(r)], c);
  return out;
}

template <class T>
void test_gather(Device& device, int64_t rows, int64_t cols) {
  Random random{uint64_t(rows * 1000 + cols)};
  const Dense table = rounded<T>(random.matrix(rows, cols));
  const std::vector<int32_t> index = scattered_index(rows + 2, rows);
  StridedOf<T> table_device(device, table), out(device, rows + 2, cols);
  Buffer<int32_t> index_device(device, index);
  device.gather_rows(table_device, index_device.data(), out);
  CHECK(out.get().values == gathered(table, index).values);
}

void test_add_gathered(Device& device, const std::string& name, int64_t rows, int64_t cols) {
  Random random{uint64_t(rows * 1000 + cols)};
  const Dense table = random.matrix(rows, cols), before = random.matrix(rows + 2, cols);
  const std::vector<int32_t> index = scattered_index(rows + 2, rows);
  Strided table_device(device, table), out(device, before);
  Buffer<int32_t> index_device(device, index);
  device.add_gathered_rows(table_device, index_device.data(), out);
  expect_close(name + " add_gathered_rows", out.get(), moved(before, 1.0, gathered(table, index)), 1e-7);
}

void test_scatter(Device& device, int64_t rows, int64_t cols) {
  Random random{uint64_t(rows * 1000 + cols)};
  const Dense from = random.matrix(rows, cols);
  std::vector<int32_t> places;  // every second row of a taller matrix, backwards
  for (int64_t r = 0; r < rows; ++r) places.push_back(int32_t(2 * (rows - 1 - r)));
  Strided from_device(device, from), out(device, 2 * rows, cols);
  Buffer<int32_t> places_device(device, places);
  device.scatter_rows(from_device, places_device.data(), out);
  Dense expected(2 * rows, cols);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) expected(places[size_t(r)], c) = from(r, c);
  CHECK(out.get().values == expected.values);
}

template <class From, class To>
void test_convert(Device& device, int64_t rows, int64_t cols) {
  Random random{uint64_t(rows * 1000 + cols)};
  const Dense from = rounded<From>(random.matrix(rows, cols, 100.0));
  StridedOf<From> from_device(device, from);
  StridedOf<To> to(device, rows, cols);
  device.convert(from_device, to);
  CHECK(to.get().values == rounded<To>(from).values);
}

/// Ties go to the even neighbour, large numbers to infinity; infinities and NaN stay.
void test_convert_special(Device& device) {
  const double largest = double(__FLT_MAX__), infinity = double(__builtin_inff());
  Dense from(1, 6);
  from.values = {1.0 + 1.0 / 256, 1.0 + 3.0 / 256, -largest, infinity, -infinity, double(__builtin_nanf(""))};
  Strided from_device(device, from);
  StridedBf16 to(device, 1, 6);
  device.convert(from_device, to);
  const std::vector<double> values = to.get().values;
  CHECK(std::vector<double>(values.begin(), values.end() - 1) ==
        std::vector<double>({1.0, 1.0 + 4.0 / 256, -infinity, infinity, -infinity}));
  CHECK(std::isnan(values.back()));
}

template <class T>
void test_add_bias(Device& device, const std::string& name, int64_t rows, int64_t cols) {
  Random random{uint64_t(rows * 1000 + cols)};
  const Dense y = rounded<T>(random.matrix(rows, cols)), bias = random.matrix(1, cols);
  Dense expected = y;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) expected(r, c) += bias(0, c);
  StridedOf<T> y_device(device, y);
  Buffer<float> bias_device(device, narrow(bias));
  device.add_bias(bias_device.data(), y_device);
  expect_rounding<T>(name + " add_bias", y_device.get(), expected, 1e-7, 1e-7);
}

// ---- sums over samples ----------------------------------------------------------------------------------------------

Dense sample_sums(const Dense& x, const std::vector<int32_t>& begin) {
  Dense rows(int64_t(begin.size()) - 1, x.cols);
  for (int64_t i = 0; i < rows.rows; ++i)
    for (int64_t t = begin[size_t(i)]; t < begin[size_t(i) + 1]; ++t)
      for (int64_t c = 0; c < x.cols; ++c) rows(i, c) += x(t, c);
  return rows;
}

Dense magnitudes(Dense m) {
  for (double& value : m.values) value = std::fabs(value);
  return m;
}

/// Errors of sums are judged against the sums of magnitudes, as terms may cancel.
void expect_sums(const std::string& what, const Dense& actual, const Dense& expected, const Dense& size) {
  const Dense error = moved(actual, -1.0, expected);
  CHECK_CLOSE(what.c_str(), std::sqrt(inner(error, error)), 0.0, 1e-7 * std::sqrt(inner(size, size)));
}

Dense divided_by_tokens(Dense rows, const std::vector<int32_t>& begin) {
  for (int64_t i = 0; i < rows.rows; ++i)
    for (int64_t c = 0; c < rows.cols; ++c)
      rows(i, c) /= std::fmax(1.0, double(begin[size_t(i) + 1] - begin[size_t(i)]));
  return rows;
}

template <class T>
void test_sum_rows(Device& device, const std::string& name, int64_t cols, const std::vector<int32_t>& begin) {
  Random random{uint64_t(cols)};
  const Dense x = rounded<T>(random.matrix(begin.back(), cols));
  StridedOf<T> x_device(device, x);
  Strided rows(device, int64_t(begin.size()) - 1, cols);
  Buffer<int32_t> begin_device(device, begin);
  device.sum_rows(x_device, rows.rows(), begin_device.data(), rows);
  expect_sums(name + " sum_rows", rows.get(), sample_sums(x, begin), sample_sums(magnitudes(x), begin));
}

/// Means, and their transpose, which leaves rows before the first sample alone.
void test_mean_rows(Device& device, const std::string& name, int64_t cols, const std::vector<int32_t>& begin) {
  Random random{uint64_t(cols)};
  const Dense x = random.matrix(begin.back(), cols), gradients = random.matrix(int64_t(begin.size()) - 1, cols);
  Strided x_device(device, x), rows(device, gradients.rows, cols), gradients_device(device, gradients);
  Buffer<int32_t> begin_device(device, begin);
  device.mean_rows(x_device, rows.rows(), begin_device.data(), rows);
  const auto means = [&](const Dense& m) { return divided_by_tokens(sample_sums(m, begin), begin); };
  expect_sums(name + " mean_rows", rows.get(), means(x), means(magnitudes(x)));

  const Dense shares = divided_by_tokens(gradients, begin);
  Dense expected = x;
  for (int64_t i = 0; i < shares.rows; ++i)
    for (int64_t t = begin[size_t(i)]; t < begin[size_t(i) + 1]; ++t)
      for (int64_t c = 0; c < cols; ++c) expected(t, c) = shares(i, c);
  device.spread_rows(gradients_device, rows.rows(), begin_device.data(), x_device);
  expect_close(name + " spread_rows", x_device.get(), expected, 1e-7);
}

// ---- rotary positions -----------------------------------------------------------------------------------------------

template <class T>
void test_rotary(Device& device, const std::string& name, int64_t heads, int64_t head_dim) {
  Random random(2);
  const int64_t tokens = 9, cols = heads * head_dim, half = head_dim / 2;
  const std::vector<int32_t> position{0, 1, 2, 3, 0, 1, 40, 41, 7};
  Dense table(48, head_dim);
  for (int64_t p = 0; p < table.rows; ++p)
    for (int64_t j = 0; j < half; ++j) {
      const double angle = double(p) * std::pow(10000.0, -double(j) / double(half));
      table(p, j) = std::cos(angle);
      table(p, j + half) = std::sin(angle);
    }
  // One head more than is turned: it must stay as it is.
  const Dense x = rounded<T>(random.matrix(tokens, cols + head_dim));
  const auto turned = [&](const Dense& from, double direction) {
    Dense to = from;
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t j = 0; j < half; ++j) {
          const int64_t a = h * head_dim + j, b = a + half, p = position[size_t(t)];
          const double cosine = table(p, j), sine = direction * table(p, j + half);
          to(t, a) = from(t, a) * cosine - from(t, b) * sine;
          to(t, b) = from(t, b) * cosine + from(t, a) * sine;
        }
    return to;
  };
  StridedOf<T> x_device(device, x);
  Buffer<float> table_device(device, narrow(table));
  Buffer<int32_t> position_device(device, position);
  device.rotary(x_device, heads, head_dim, table_device.data(), position_device.data(), 1);
  expect_rounding<T>(name + " rotary", x_device.get(), turned(x, 1), 2e-7, 3e-7);
  x_device.set(x);
  device.rotary(x_device, heads, head_dim, table_device.data(), position_device.data(), -1);
  expect_rounding<T>(name + " rotary back", x_device.get(), turned(x, -1), 2e-7, 3e-7);
}

void test_all(Device& device, const std::string& name) {
  const std::vector<std::pair<int64_t, int64_t>> shapes{{1, 1},  {1, 40000}, {7, 64},    {7, 257},
                                                        {65, 1}, {65, 257},  {300, 130}, {3, 16385}};
  for (const auto& [rows, cols] : shapes) {
    test_add_gathered(device, name, rows, cols);
    test_scatter(device, rows, cols);
    for_each_type([&, rows = rows, cols = cols](auto number) {
      using T = decltype(number);
      test_gather<T>(device, rows, cols);
      test_convert<T, float>(device, rows, cols);
      test_convert<T, Bf16>(device, rows, cols);
      test_add_bias<T>(device, name, rows, cols);
    });
  }
  test_convert_special(device);

  const std::vector<std::vector<int32_t>> batches{{0, 1},        {0, 700},   {0, 30, 2100},
                                                  {0, 7, 7, 20}, {2, 5, 40}, {0, 0, 3, 4, 30, 31, 33, 33, 40, 57, 57}};
  for (const std::vector<int32_t>& begin : batches)
    for (const int64_t cols : {1, 7, 128, 333, 3100}) {
      test_sum_rows<float>(device, name, cols, begin);
      test_sum_rows<Bf16>(device, name, cols, begin);
      test_mean_rows(device, name, cols, begin);
    }
  for_each_type([&](auto number) {
    using T = decltype(number);
    test_rotary<T>(device, name, 4, 6);
    test_rotary<T>(device, name, 3, 64);
  });
}

}  // namespace

int main() {
  for (const int threads : teams()) for_each_device(threads, test_all);
  return exit_status();
}
