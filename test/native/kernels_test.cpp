// Memory, vectors, gathers and per-sample statistics against naive float64 loops, for every instruction set
// and product that this machine has.
#include "layers_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

/// aᵀ b over rows begin … end − 1.
Dense outer_sum(const Dense& a, const Dense& b, int64_t begin, int64_t end) {
  Dense sum(a.cols, b.cols);
  for (int64_t t = begin; t < end; ++t)
    for (int64_t r = 0; r < a.cols; ++r)
      for (int64_t c = 0; c < b.cols; ++c) sum(r, c) += a(t, r) * b(t, c);
  return sum;
}

std::vector<int32_t> random_index(Random& random, int64_t count, int64_t limit) {
  std::vector<int32_t> index(static_cast<size_t>(count));
  for (int32_t& i : index) i = int32_t((random.next() + 1.0) / 2.0 * double(limit));
  return index;
}

// ---- memory, vectors, gathers ---------------------------------------------------------------------------------------

void test_device(Device& device, const std::string& name) {
  CHECK(name.find(device.isa()) == 0);
  CHECK(std::string(device.gemm()).find("portable") == 0 || std::string(device.gemm()).find("oneDNN ") == 0);
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{5} << 20}) {
    void* memory = device.allocate(bytes);
    CHECK(reinterpret_cast<uintptr_t>(memory) % 64 == 0);
    device.release(memory);
  }
}

void test_vectors(Device& device, const std::string& name, int64_t count) {
  Random random{uint64_t(count)};
  const Dense x = random.matrix(1, count), y = random.matrix(1, count);
  Buffer<float> x_device(device, narrow(x)), y_device(device, narrow(y)), z_device(device, narrow(y));

  CHECK_CLOSE((name + " dot").c_str(), device.dot(x_device.data(), y_device.data(), count), inner(x, y),
              1e-7 * std::sqrt(inner(x, x) * inner(y, y)));
  CHECK(device.dot(x_device.data(), y_device.data(), count) == device.dot(x_device.data(), y_device.data(), count));
  device.axpy(y_device.data(), -0.75, x_device.data(), count);
  expect_close(name + " axpy", widen(y_device.get()), moved(y, -0.75, x), 1e-6);
  device.axpy(x_device.data(), 2.0, x_device.data(), count);
  expect_close(name + " axpy onto itself", widen(x_device.get()), moved(x, 2.0, x), 1e-6);
  device.scale(x_device.data(), 0.5, count);
  expect_close(name + " scale", widen(x_device.get()), moved(x, 0.5, x), 1e-6);
  device.copy(z_device.data(), x_device.data(), count);
  CHECK(z_device.get() == x_device.get());
  device.fill(z_device.data(), 0.25f, count);
  CHECK(z_device.get() == std::vector<float>(size_t(count), 0.25f));
}

void test_gathers(Device& device, int64_t rows, int64_t cols) {
  Random random{uint64_t(rows * 1000 + cols)};
  const Dense table = random.matrix(rows, cols);
  Strided table_device(device, table);

  const std::vector<int32_t> index = random_index(random, rows + 2, rows);
  Buffer<int32_t> index_device(device, index);
  Strided gathered(device, rows + 2, cols);
  device.gather_rows(table_device, index_device.data(), gathered);
  Dense expected(rows + 2, cols);
  for (int64_t r = 0; r < rows + 2; ++r)
    for (int64_t c = 0; c < cols; ++c) expected(r, c) = table(index[size_t(r)], c);
  CHECK(gathered.get().values == expected.values);

  std::vector<int32_t> places;  // every second row of a taller matrix, backwards
  for (int64_t r = 0; r < rows; ++r) places.push_back(int32_t(2 * (rows - 1 - r)));
  Buffer<int32_t> places_device(device, places);
  Strided scattered(device, 2 * rows, cols);
  device.scatter_rows(table_device, places_device.data(), scattered);
  Dense spread(2 * rows, cols);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) spread(places[size_t(r)], c) = table(r, c);
  CHECK(scattered.get().values == spread.values);
}

// ---- per-sample statistics ------------------------------------------------------------------------------------------

/// What a call is asked for.
struct Wanted {
  bool norms, dots, gram, gradient, gradients;
};

constexpr Wanted kWanted[] = {
    {false, false, false, true, false}, {true, false, false, false, false}, {true, true, false, true, false},
    {false, true, false, false, true},  {false, false, true, true, false},  {true, true, true, true, true},
};

/// Calls `run` with statistics and a target that hold numbers already, then compares with what per_sample adds to them;
/// per_sample holds every sample's whole gradient of a weight rows × cols.
void check_statistics(Device& device, const std::string& name, const std::vector<Dense>& per_sample, bool equal_weights,
                      const std::vector<int32_t>& begin, const Wanted& wanted,
                      const std::function<void(const SampleStatistics&, const WeightTarget&)>& run) {
  const int64_t samples = int64_t(per_sample.size()), vectors = 2;
  const int64_t rows = per_sample[0].rows, cols = per_sample[0].cols;
  Random random(77);
  const Dense start = random.matrix(rows, cols);
  Dense weights(1, samples);
  for (double& weight : weights.values) weight = equal_weights ? 1.0 : double(float(random.next()));

  std::vector<Dense> v;
  std::vector<std::unique_ptr<Buffer<float>>> v_device, gradients_device;
  std::vector<const float*> v_pointers;
  std::vector<float*> gradients_pointers;
  for (int64_t k = 0; k < vectors; ++k) {
    v.push_back(random.matrix(rows, cols));
    v_device.push_back(std::make_unique<Buffer<float>>(device, narrow(v.back())));
    v_pointers.push_back(v_device.back()->data());
  }
  for (int64_t i = 0; i < samples; ++i) {
    gradients_device.push_back(std::make_unique<Buffer<float>>(device, narrow(start)));
    gradients_pointers.push_back(gradients_device.back()->data());
  }
  Buffer<float> weights_device(device, narrow(weights)), gradient_device(device, narrow(start));
  Buffer<double> norms(device, std::vector<double>(size_t(samples), 0.5));
  Buffer<double> dots(device, std::vector<double>(size_t(vectors * samples), 0.5));
  Buffer<double> gram(device, std::vector<double>(size_t(samples * samples), 0.5));

  run({samples, begin.data(), weights_device.data(), wanted.norms ? norms.data() : nullptr, wanted.dots ? vectors : 0,
       wanted.dots ? dots.data() : nullptr, wanted.gram ? gram.data() : nullptr},
      {wanted.gradient ? gradient_device.data() : nullptr, v_pointers.data(),
       wanted.gradients ? gradients_pointers.data() : nullptr});

  Dense sum = start, norms_expected(1, samples), dots_expected(vectors, samples), gram_expected(samples, samples);
  for (int64_t i = 0; i < samples; ++i) {
    const Dense& g = per_sample[size_t(i)];
    if (wanted.gradient) sum = moved(sum, weights(0, i), g);
    norms_expected(0, i) = 0.5 + (wanted.norms ? inner(g, g) : 0.0);
    for (int64_t k = 0; k < vectors; ++k) dots_expected(k, i) = 0.5 + (wanted.dots ? inner(g, v[size_t(k)]) : 0.0);
    for (int64_t j = 0; j < samples; ++j)
      gram_expected(i, j) = 0.5 + (wanted.gram ? inner(g, per_sample[size_t(j)]) : 0.0);
    expect_close(name + " gradients", widen(gradients_device[size_t(i)]->get()),
                 wanted.gradients ? moved(start, 1.0, g) : start, 2e-6);
  }
  expect_close(name + " gradient", widen(gradient_device.get()), sum, 2e-6);
  expect_close(name + " norms", widen(norms.get()), norms_expected, 2e-6);
  expect_close(name + " dots", widen(dots.get()), dots_expected, 4e-6);
  expect_close(name + " gram", widen(gram.get()), gram_expected, 2e-6);
}

void test_sample_products(Device& device, const std::string& name, int64_t outputs, int64_t inputs,
                          const std::vector<int32_t>& begin) {
  Random random{uint64_t(outputs * 1000 + inputs)};
  const Dense g = random.matrix(begin.back(), outputs), x = random.matrix(begin.back(), inputs);
  Strided g_device(device, g), x_device(device, x);
  std::vector<Dense> per_sample;
  for (size_t i = 0; i + 1 < begin.size(); ++i) per_sample.push_back(outer_sum(g, x, begin[i], begin[i + 1]));
  for (const Wanted& wanted : kWanted)
    for (const bool equal_weights : {false, true})
      check_statistics(device,
                       name + " sample_products " + std::to_string(outputs) + "x" + std::to_string(inputs) + " of " +
                           std::to_string(per_sample.size()),
                       per_sample, equal_weights, begin, wanted, [&](const SampleStatistics& s, const WeightTarget& t) {
                         device.sample_products(g_device, x_device, s, t);
                       });
}

void test_sample_rows(Device& device, const std::string& name, int64_t samples, int64_t d) {
  Random random{uint64_t(samples * 1000 + d)};
  const Dense rows = random.matrix(samples, d);
  Strided rows_device(device, rows);
  std::vector<Dense> per_sample;
  for (int64_t i = 0; i < samples; ++i) {
    per_sample.emplace_back(1, d);
    for (int64_t c = 0; c < d; ++c) per_sample.back()(0, c) = rows(i, c);
  }
  std::vector<int32_t> begin;
  for (int64_t i = 0; i <= samples; ++i) begin.push_back(int32_t(i));
  for (const Wanted& wanted : kWanted)
    check_statistics(device, name + " sample_rows", per_sample, false, begin, wanted,
                     [&](const SampleStatistics& s, const WeightTarget& t) { device.sample_rows(rows_device, s, t); });
}

/// The groups that the engine makes of a batch's token ids.
struct Groups {
  std::vector<int32_t> token, sample, begin, positions;
};

Groups group_tokens(const std::vector<int32_t>& ids, const std::vector<int32_t>& begin, int32_t vocabulary) {
  Groups groups;
  for (int32_t token = 0; token < vocabulary; ++token)
    for (size_t i = 0; i + 1 < begin.size(); ++i) {
      const size_t first = groups.positions.size();
      for (int32_t p = begin[i]; p < begin[i + 1]; ++p)
        if (ids[size_t(p)] == token) groups.positions.push_back(p);
      if (groups.positions.size() == first) continue;
      groups.token.push_back(token);
      groups.sample.push_back(int32_t(i));
      groups.begin.push_back(int32_t(first));
    }
  groups.begin.push_back(int32_t(groups.positions.size()));
  return groups;
}

void test_sample_embedding(Device& device, const std::string& name, int32_t vocabulary, int64_t d,
                           const std::vector<int32_t>& begin) {
  Random random{uint64_t(vocabulary * 1000 + d)};
  const std::vector<int32_t> ids = random_index(random, begin.back(), vocabulary);
  const Dense dx = random.matrix(begin.back(), d);
  std::vector<Dense> per_sample;
  for (size_t i = 0; i + 1 < begin.size(); ++i) {
    per_sample.emplace_back(vocabulary, d);
    for (int32_t p = begin[i]; p < begin[i + 1]; ++p)
      for (int64_t c = 0; c < d; ++c) per_sample.back()(ids[size_t(p)], c) += dx(p, c);
  }
  const Groups groups = group_tokens(ids, begin, vocabulary);
  Strided dx_device(device, dx);
  Buffer<int32_t> token(device, groups.token), sample(device, groups.sample), first(device, groups.begin),
      positions(device, groups.positions);
  const EmbeddingGroups e{int64_t(groups.token.size()), token.data(), sample.data(), first.data(), positions.data()};
  for (const Wanted& wanted : kWanted)
    check_statistics(
        device, name + " sample_embedding", per_sample, false, begin, wanted,
        [&](const SampleStatistics& s, const WeightTarget& t) { device.sample_embedding(e, dx_device, s, t); });
}

/// Equal inputs give equal bits, also with threads that race for the tiles.
void test_determinism(Device& device, const std::string& name) {
  Random random(5);
  const std::vector<int32_t> begin{0, 40, 41, 90};
  Strided g(device, random.matrix(90, 300)), x(device, random.matrix(90, 70));
  std::vector<double> first;
  for (int repetition = 0; repetition < 5; ++repetition) {
    Buffer<double> norms(device, std::vector<double>(3, 0.0)), gram(device, std::vector<double>(9, 0.0));
    device.sample_products(g, x, {3, begin.data(), nullptr, norms.data(), 0, nullptr, gram.data()},
                           {nullptr, nullptr, nullptr});
    std::vector<double> all = norms.get();
    for (const double value : gram.get()) all.push_back(value);
    if (repetition == 0) first = all;
    check(all == first, __FILE__, __LINE__, (name + " gives the same bits again").c_str());
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
  for (const int64_t count : {0, 1, 7, 64, 257, 100003}) test_vectors(device, name, count);
  for (const int64_t rows : {1, 7, 65})
    for (const int64_t cols : {1, 64, 257}) test_gathers(device, rows, cols);

  const std::vector<std::vector<int32_t>> batches{{0, 1}, {0, 64}, {0, 7, 7, 20}, {0, 0, 3, 4, 30, 31, 33, 33, 40, 57}};
  for (const std::vector<int32_t>& begin : batches) {
    test_sample_products(device, name, 1, 1, begin);
    test_sample_products(device, name, 7, 257, begin);
    test_sample_products(device, name, 257, 64, begin);
    test_sample_embedding(device, name, 11, 7, begin);
    test_sample_embedding(device, name, 5, 257, begin);
  }
  test_sample_products(device, name, 17, 9001, {0, 2, 5});         // tiles narrower than the weight
  test_sample_products(device, name, 2049, 3, {0, 300, 520});      // more than one block of scaled tokens
  test_sample_embedding(device, name, 1, 64, {0, 100, 200, 400});  // all of one token
  for (const int64_t samples : {1, 3, 9})
    for (const int64_t d : {1, 7, 257, 1000}) test_sample_rows(device, name, samples, d);
  test_determinism(device, name);
}

}  // namespace

int main() {
  test_open();
  for (const int threads : {1, 3}) for_each_device(threads, test_all);
  return exit_status();
}
