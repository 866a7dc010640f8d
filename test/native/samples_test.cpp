// Per-sample statistics against naive float64 loops: every form of a product's statistics on the same shapes, float32
// and bfloat16, for every instruction set and product that this machine has; rows; embedding tables; the cost model.
#include "../../native/kernels/cpu/sample_choice.h"
#include "references.h"
#define GRADFOLD_ISA baseline
#include "../../native/kernels/cpu/sample_cost.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

/// What a call is asked for.
struct Wanted {
  bool norms, dots, gram, gradient, gradients;
};

/// Every combination; bit b of `bits` asks for the b-th statistic.
Wanted wanted_by(int bits) {
  return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, (bits & 16) != 0};
}
constexpr int kCombinations = 32;
/// Of sums over tokens, relative to the largest.
constexpr double kTolerance = 2e-6;

/// The combinations that every small shape is tested with: all, or where an emulated device takes its time one of each
/// kind of kernels that share the work.
#ifdef GRADFOLD_TEST_CUDA
const std::vector<int> kOfSmall{0, 1, 2, 4, 8, 16, 5, 11, 13, 31};
#else
const std::vector<int> kOfSmall = [] {
  std::vector<int> all;
  for (int bits = 0; bits < kCombinations; ++bits) all.push_back(bits);
  return all;
}();
#endif

/// Every sample's gradient of a weight, and what follows from all of them.
struct Expected {
  static constexpr int64_t kVectors = 2;

  std::vector<Dense> per_sample;
  std::vector<Dense> v;
  Dense weights, equal_weights, start, norms, dots, gram;

  explicit Expected(std::vector<Dense> gradients)
      : per_sample(std::move(gradients)),
        weights(1, samples()),
        equal_weights(1, samples()),
        start(rows(), cols()),
        norms(1, samples()),
        dots(kVectors, samples()),
        gram(samples(), samples()) {
    Random random(77);
    start = random.matrix(rows(), cols());
    // Powers of two, so that a bfloat16 number times its weight is one too, whichever form computes it.
    for (double& weight : weights.values)
      weight = std::copysign(std::exp2(std::floor(4 * random.next())), random.next());
    for (double& weight : equal_weights.values) weight = 1.0;
    for (int64_t k = 0; k < kVectors; ++k) v.push_back(random.matrix(rows(), cols()));
    for (int64_t i = 0; i < samples(); ++i) {
      norms(0, i) = kStart + inner(per_sample[size_t(i)], per_sample[size_t(i)]);
      for (int64_t k = 0; k < kVectors; ++k) dots(k, i) = kStart + inner(per_sample[size_t(i)], v[size_t(k)]);
      for (int64_t j = 0; j < samples(); ++j) gram(i, j) = kStart + inner(per_sample[size_t(i)], per_sample[size_t(j)]);
    }
  }

  /// What the statistics hold before a call.
  static constexpr double kStart = 0.5;

  int64_t samples() const { return int64_t(per_sample.size()); }
  int64_t rows() const { return per_sample[0].rows; }
  int64_t cols() const { return per_sample[0].cols; }
  Dense gradient(const Dense& by) const {
    Dense sum = start;
    for (int64_t i = 0; i < samples(); ++i) sum = moved(sum, by(0, i), per_sample[size_t(i)]);
    return sum;
  }
};

/// Calls `run` with statistics and a target that hold numbers already, then compares with what the samples add to them.
void check_statistics(Device& device, const std::string& name, const Expected& expected, bool equal_weights,
                      const std::vector<int32_t>& begin, const Wanted& wanted, double products_tolerance,
                      const std::function<void(const SampleStatistics&, const WeightTarget&)>& run) {
  const int64_t samples = expected.samples(), vectors = Expected::kVectors;
  const Dense& weights = equal_weights ? expected.equal_weights : expected.weights;
  std::vector<std::unique_ptr<Buffer<float>>> v, gradients;
  std::vector<const float*> v_pointers;
  std::vector<float*> gradients_pointers;
  for (const Dense& vector : expected.v) {
    v.push_back(std::make_unique<Buffer<float>>(device, narrow(vector)));
    v_pointers.push_back(v.back()->data());
  }
  for (int64_t i = 0; wanted.gradients && i < samples; ++i) {
    gradients.push_back(std::make_unique<Buffer<float>>(device, narrow(expected.start)));
    gradients_pointers.push_back(gradients.back()->data());
  }
  Buffer<float> weights_device(device, narrow(weights)), gradient(device, narrow(expected.start));
  const auto started = [&](int64_t count) { return std::vector<double>(size_t(count), Expected::kStart); };
  Buffer<double> norms(device, started(samples)), dots(device, started(vectors * samples)),
      gram(device, started(samples * samples));

  run({samples, begin.data(), weights_device.data(), wanted.norms ? norms.data() : nullptr, wanted.dots ? vectors : 0,
       wanted.dots ? dots.data() : nullptr, wanted.gram ? gram.data() : nullptr},
      {wanted.gradient ? gradient.data() : nullptr, v_pointers.data(),
       wanted.gradients ? gradients_pointers.data() : nullptr});

  for (int64_t i = 0; wanted.gradients && i < samples; ++i)
    expect_close(name + " gradients", widen(gradients[size_t(i)]->get()),
                 moved(expected.start, 1.0, expected.per_sample[size_t(i)]), kTolerance);
  expect_close(name + " gradient", widen(gradient.get()), wanted.gradient ? expected.gradient(weights) : expected.start,
               kTolerance);
  const auto check_sums = [&](const char* what, Buffer<double>& sums, bool asked, const Dense& sum, double tolerance) {
    if (asked)
      expect_close(name + what, widen(sums.get()), sum, tolerance);
    else
      check(sums.get() == started(int64_t(sum.values.size())), __FILE__, __LINE__, (name + what + " kept").c_str());
  };
  check_sums(" norms", norms, wanted.norms, expected.norms, products_tolerance);
  check_sums(" dots", dots, wanted.dots, expected.dots, 4e-6);
  check_sums(" gram", gram, wanted.gram, expected.gram, products_tolerance);
}

// ---- products -------------------------------------------------------------------------------------------------------

struct NamedForm {
  SampleForm form;
  const char* name;
};

#ifdef GRADFOLD_TEST_CUDA
/// Tiles of warpgroups are one compute capability's, which a run of the tests has or has not (devices.h).
const std::vector<NamedForm> kForms = [] {
  std::vector<NamedForm> forms{
      {SampleForm::cheapest, "cheapest"}, {SampleForm::tiles, "tiles"}, {SampleForm::ghost, "ghost"}};
  const bool warpgroups = std::string(open_all(1, Type::f32).front().device->isa()) == "sm_90";
  if (warpgroups) forms = {{SampleForm::cheapest, "cheapest"}, {SampleForm::registers, "warpgroups"}};
  return forms;
}();
#else
constexpr NamedForm kForms[] = {{SampleForm::cheapest, "cheapest"},
                                {SampleForm::registers, "registers"},
                                {SampleForm::tiles, "tiles"},
                                {SampleForm::ghost, "ghost"}};
#endif

/// Operands of a product and what they give. Their numbers are bfloat16 ones, so that both types hold them exactly.
struct Problem {
  Dense g, x;
  std::vector<int32_t> begin;
  Expected expected;
  double pairs;  // the largest Σ |G_t·G_s| |X_t·X_s| over pairs of a sample's tokens, over the largest norm
};

double pairs_of(const Dense& g, const Dense& x, const std::vector<int32_t>& begin) {
  const auto product = [](const Dense& m, int64_t t, int64_t s) {
    double sum = 0;
    for (int64_t c = 0; c < m.cols; ++c) sum += m(t, c) * m(s, c);
    return std::abs(sum);
  };
  double largest = 0;
  for (size_t i = 0; i + 1 < begin.size(); ++i) {
    double sum = 0;
    for (int64_t t = begin[i]; t < begin[i + 1]; ++t)
      for (int64_t s = begin[i]; s < begin[i + 1]; ++s) sum += product(g, t, s) * product(x, t, s);
    largest = std::max(largest, sum);
  }
  return largest;
}

Dense rounded(Dense m) {
  for (double& value : m.values) value = widened(narrowed<Bf16>(value));
  return m;
}

Problem problem_of(int64_t outputs, int64_t inputs, const std::vector<int32_t>& begin) {
  Random random{uint64_t(outputs * 1000 + inputs)};
  const int64_t tokens = begin.back() + 2;  // what is before and after the samples must not count
  const Dense g = rounded(random.matrix(tokens, outputs)), x = rounded(random.matrix(tokens, inputs));
  std::vector<Dense> per_sample;
  for (size_t i = 0; i + 1 < begin.size(); ++i) per_sample.push_back(outer_sum(g, x, begin[i], begin[i + 1]));
  Expected expected(std::move(per_sample));
  double norm = 0;
  for (const double value : expected.norms.values) norm = std::max(norm, value);
  return {g, x, begin, expected, pairs_of(g, x, begin) / norm};
}

/// Samples of equal length.
std::vector<int32_t> equal_samples(int32_t samples, int32_t tokens) {
  std::vector<int32_t> begin;
  for (int32_t i = 0; i <= samples; ++i) begin.push_back(i * tokens);
  return begin;
}

template <class T>
void test_problem(Device& device, const std::string& name, const Problem& problem, int combination) {
  StridedOf<T> g(device, problem.g), x(device, problem.x);
  const std::string shape = std::to_string(problem.g.cols) + "x" + std::to_string(problem.x.cols) + " of " +
                            std::to_string(problem.expected.samples()) + " in " + std::to_string(problem.g.rows) +
                            (sizeof(T) == 2 ? " bf16 " : " f32 ");
  for (const NamedForm& one : kForms) {
    sample_form = one.form;
    // The ghost form adds pairs of tokens, which cancel where the weight is narrow: half a unit of each term.
    const double tolerance =
        one.form == SampleForm::ghost ? std::max(kTolerance, std::exp2(-24) * problem.pairs) : kTolerance;
    check_statistics(device, name + " sample_products " + shape + one.name + " " + std::to_string(combination),
                     problem.expected, combination % 3 == 0, problem.begin, wanted_by(combination), tolerance,
                     [&](const SampleStatistics& s, const WeightTarget& t) { device.sample_products(g, x, s, t); });
  }
  sample_form = SampleForm::cheapest;
}

void test_problem(Device& device, const std::string& name, const Problem& problem, int combination) {
  test_problem<float>(device, name, problem, combination);
  test_problem<Bf16>(device, name, problem, combination);
}

const std::vector<std::vector<int32_t>> kRagged{
    {0, 1}, {3, 3, 3}, {0, 7, 7, 20}, {5, 5, 6, 6, 40, 41, 43, 43, 50, 67}, {0, 300, 301, 301, 520}};

struct Problems {
  std::vector<Problem> small, large;

  Problems() {
    for (const std::vector<int32_t>& begin : kRagged) {
      small.push_back(problem_of(1, 1, begin));
      small.push_back(problem_of(7, 70, begin));
      small.push_back(problem_of(29, 64, begin));
      small.push_back(problem_of(24, 33, begin));
    }
    for (const int32_t tokens : {1, 7, 64})
      for (const int32_t samples : {1, 3, 8, 40}) large.push_back(problem_of(29, 45, equal_samples(samples, tokens)));
    large.push_back(problem_of(17, 9001, {0, 2, 5}));                 // tiles narrower than the weight
    large.push_back(problem_of(301, 3, {0, 300, 520}));               // more than one strip of outputs
    large.push_back(problem_of(13, 40, {1, 1200, 1301}));             // a sample longer than a group
    large.push_back(problem_of(130, 260, {0, 33, 33, 90, 92, 220}));  // several tiles each way
  }
};

/// Equal inputs give equal bits, also with threads that race for the tiles.
void test_determinism(Device& device, const std::string& name) {
  Random random(5);
  const std::vector<int32_t> begin{0, 40, 41, 90};
  Strided g(device, random.matrix(90, 300)), x(device, random.matrix(90, 70));
  Buffer<float> v(device, narrow(random.matrix(300, 70)));
  const float* vectors[] = {v.data()};
  for (const NamedForm& one : kForms) {
    sample_form = one.form;
    std::vector<double> first;
    for (int repetition = 0; repetition < 5; ++repetition) {
      Buffer<double> norms(device, std::vector<double>(3, 0.0)), dots(device, std::vector<double>(3, 0.0)),
          gram(device, std::vector<double>(9, 0.0));
      device.sample_products(g, x, {3, begin.data(), nullptr, norms.data(), 1, dots.data(), gram.data()},
                             {nullptr, vectors, nullptr});
      std::vector<double> all = norms.get();
      for (const double value : dots.get()) all.push_back(value);
      for (const double value : gram.get()) all.push_back(value);
      if (repetition == 0) first = all;
      check(all == first, __FILE__, __LINE__, (name + " gives the same bits again").c_str());
    }
  }
  sample_form = SampleForm::cheapest;
}

// ---- rows and embedding tables --------------------------------------------------------------------------------------

void test_sample_rows(Device& device, const std::string& name, int64_t samples, int64_t d) {
  Random random{uint64_t(samples * 1000 + d)};
  const Dense rows = random.matrix(samples, d);
  Strided rows_device(device, rows);
  std::vector<Dense> per_sample;
  for (int64_t i = 0; i < samples; ++i) {
    per_sample.emplace_back(1, d);
    for (int64_t c = 0; c < d; ++c) per_sample.back()(0, c) = rows(i, c);
  }
  const Expected expected(std::move(per_sample));
  for (int bits = 0; bits < kCombinations; ++bits)
    check_statistics(device, name + " sample_rows", expected, false, equal_samples(int32_t(samples), 1),
                     wanted_by(bits), kTolerance,
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
  const Expected expected(std::move(per_sample));
  const Groups groups = group_tokens(ids, begin, vocabulary);
  Strided dx_device(device, dx);
  Buffer<int32_t> token(device, groups.token), sample(device, groups.sample), first(device, groups.begin),
      positions(device, groups.positions);
  const EmbeddingGroups e{int64_t(groups.token.size()), token.data(), sample.data(), first.data(), positions.data()};
  for (int bits = 0; bits < kCombinations; ++bits)
    check_statistics(
        device, name + " sample_embedding", expected, false, begin, wanted_by(bits), kTolerance,
        [&](const SampleStatistics& s, const WeightTarget& t) { device.sample_embedding(e, dx_device, s, t); });
}

#ifndef GRADFOLD_TEST_CUDA
// ---- the cost model -------------------------------------------------------------------------------------------------

baseline::SampleShape shape_of(double outputs, double inputs, double samples, double tokens) {
  return {outputs, inputs, samples * tokens, samples, samples * tokens * tokens, tokens, 1.0};
}

void test_cost_model() {
  using namespace gradfold::baseline;
  const auto plan = [](const SampleShape& shape, const SampleWanted& wanted) {
    return plan_samples(shape, wanted, SampleForm::cheapest);
  };
  // Long samples: everything from one pass of formed gradients.
  const SampleWanted usual{true, false, true, false, 2};
  const SamplePlan whole = plan(shape_of(3072, 768, 4, 512), usual);
  CHECK(!whole.in_tiles && !whole.ghost_norms && !whole.ghost_dots && !whole.plain_gradient);
  // Short ones: norms and Gram matrix between tokens, the gradient by the plain product.
  const SamplePlan norms = plan(shape_of(3072, 768, 500, 8), {true, false, true, false, 0});
  CHECK(norms.ghost_norms && norms.plain_gradient);
  const SamplePlan gram = plan(shape_of(3072, 768, 500, 8), {true, true, true, false, 0});
  CHECK(gram.ghost_gram && gram.plain_gradient);
  // Long samples' Gram matrix: formed. The gradient alone: plain. Gradients themselves: formed.
  CHECK(!plan(shape_of(256, 256, 4, 1024), {true, true, true, false, 0}).ghost_gram);
  CHECK(plan(shape_of(3072, 768, 4, 512), {false, false, true, false, 0}).plain_gradient);
  CHECK(plan(shape_of(64, 64, 500, 1), {false, false, false, true, 0}).forms({false, false, false, true, 0}));
  // Samples too long for packed rows.
  CHECK(plan(shape_of(256, 256, 1, 8192), usual).in_tiles);
  // Where products are much faster than registers, which compute in float32, long samples are formed by products.
  SampleShape fast = shape_of(3072, 768, 4, 512);
  fast.product = 0.3;
  CHECK(plan(fast, usual).in_tiles);

  // No plan that may be taken is cheaper than the one that is.
  for (const double tokens : {1.0, 8.0, 64.0, 512.0})
    for (const double samples : {1.0, 8.0, 64.0})
      for (int bits = 1; bits < kCombinations; ++bits) {
        const Wanted w = wanted_by(bits);
        const SampleWanted wanted{w.norms, w.gram, w.gradient, w.gradients, w.dots ? 2 : 0};
        const SampleShape shape = shape_of(704, 256, samples, tokens);
        const double cost = plan_cost(plan(shape, wanted), shape, wanted);
        CHECK(cost > 0 && cost <= plan_cost({true, false, false, false, false}, shape, wanted));
        CHECK(cost <= plan_cost({false, true, true, true, true}, shape, wanted));
      }
}
#endif

void test_all(Device& device, const std::string& name, const Problems& problems) {
  for (const Problem& problem : problems.small)
    for (const int bits : kOfSmall) test_problem(device, name, problem, bits);
  for (const Problem& problem : problems.large)
    for (const int bits : {1, 3, 11, 13, 15, 31}) test_problem(device, name, problem, bits);
  for (const std::vector<int32_t>& begin : kRagged) {
    test_sample_embedding(device, name, 11, 7, begin);
    test_sample_embedding(device, name, 5, 257, begin);
  }
  test_sample_embedding(device, name, 1, 64, {0, 100, 200, 400});  // all of one token
  for (const int64_t samples : {1, 3, 9})
    for (const int64_t d : {1, 7, 257, 1000}) test_sample_rows(device, name, samples, d);
  test_determinism(device, name);
}

}  // namespace

int main() {
#ifndef GRADFOLD_TEST_CUDA
  test_cost_model();
#endif
  const Problems problems;
  for (const int threads : teams())
    for_each_device(threads, [&](Device& device, const std::string& name) { test_all(device, name, problems); });
  return exit_status();
}
