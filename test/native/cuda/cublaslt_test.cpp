// How cuBLASLt is called, against a library of the same functions that multiplies column-major matrices naively:
// shapes, transposes, strides, types and scales arrive as they are meant, and what it refuses is told.
#include "../../../native/kernels/cuda/cublaslt.h"

#include <cstring>

#include "../../../native/kernels/cuda/cublaslt_declarations.h"
#include "../layers_support.h"

using namespace gradfold;
using namespace gradfold::cuda;
using namespace gradfold::test;

namespace {

// ---- the library ----------------------------------------------------------------------------------------------------

struct Desc {
  int compute, scale, transpose_a = lt::kOpN, transpose_b = lt::kOpN;
};
struct Layout {
  int type;
  uint64_t rows, cols;
  int64_t leading;
};
struct Preference {
  size_t workspace = 0;
  uint32_t reductions = 7, alignment[4] = {256, 256, 256, 256};
};

size_t version = 130002;
int living = 0, heuristics = 0;
bool has_algorithm = true;
const Preference* asked = nullptr;

template <class T, class... Arguments>
int make(void** object, Arguments... arguments) {
  ++living;
  *object = new T{arguments...};
  return 0;
}
template <class T>
int destroy(void* object) {
  --living;
  delete static_cast<T*>(object);
  return 0;
}

int set_desc(void* object, int attribute, const void* value, size_t bytes) {
  Desc& desc = *static_cast<Desc*>(object);
  if (bytes != sizeof(int32_t) || (attribute != lt::kDescTransA && attribute != lt::kDescTransB)) return 7;
  std::memcpy(attribute == lt::kDescTransA ? &desc.transpose_a : &desc.transpose_b, value, bytes);
  return 0;
}

int set_preference(void* object, int attribute, const void* value, size_t bytes) {
  Preference& preference = *static_cast<Preference*>(object);
  if (attribute == lt::kPreferenceWorkspace && bytes == sizeof(size_t))
    std::memcpy(&preference.workspace, value, bytes);
  else if (attribute == lt::kPreferenceReductions && bytes == sizeof(uint32_t))
    std::memcpy(&preference.reductions, value, bytes);
  else if (attribute >= lt::kPreferenceAlignA && attribute <= lt::kPreferenceAlignD && bytes == sizeof(uint32_t))
    std::memcpy(&preference.alignment[attribute - lt::kPreferenceAlignA], value, bytes);
  else
    return 7;
  return 0;
}

int heuristic(void*, void*, void*, void*, void*, void*, void* preference, int, lt::Heuristic* results, int* found) {
  static Preference kept;
  kept = *static_cast<Preference*>(preference);
  asked = &kept;
  ++heuristics;
  *found = has_algorithm ? 1 : 0;
  *results = {};
  results->algorithm.data[0] = 42;
  return 0;
}

/// Number (r, c) of a column-major matrix.
double number_at(const void* data, const Layout& layout, int64_t r, int64_t c) {
  const int64_t at = c * layout.leading + r;
  return layout.type == lt::kReal32 ? widened(static_cast<const float*>(data)[at])
                                    : widened(static_cast<const Bf16*>(data)[at]);
}

int matmul(void*, void* desc_, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout,
           const void* beta, const void* c, void* c_layout, void* d, void* d_layout, const lt::Algorithm* algorithm,
           void*, size_t bytes, void*) {
  const Desc& desc = *static_cast<Desc*>(desc_);
  const Layout &la = *static_cast<Layout*>(a_layout), &lb = *static_cast<Layout*>(b_layout);
  const Layout& lc = *static_cast<Layout*>(c_layout);
  const bool ta = desc.transpose_a == lt::kOpT, tb = desc.transpose_b == lt::kOpT;
  const uint64_t m = ta ? la.cols : la.rows, k = ta ? la.rows : la.cols, n = tb ? lb.rows : lb.cols;
  CHECK(desc.compute == lt::kCompute32 && desc.scale == lt::kReal32);
  CHECK((tb ? lb.cols : lb.rows) == k && lc.rows == m && lc.cols == n && c_layout == d_layout && c == d);
  CHECK(algorithm->data[0] == 42 && bytes == Cublaslt::kWorkspace);
  float scale_ab, scale_c;
  std::memcpy(&scale_ab, alpha, sizeof scale_ab);
  std::memcpy(&scale_c, beta, sizeof scale_c);
  for (uint64_t i = 0; i < m; ++i)
    for (uint64_t j = 0; j < n; ++j) {
      double sum = scale_c == 0 ? 0 : scale_c * number_at(c, lc, int64_t(i), int64_t(j));
      for (uint64_t l = 0; l < k; ++l)
        sum += scale_ab * number_at(a, la, int64_t(ta ? l : i), int64_t(ta ? i : l)) *
               number_at(b, lb, int64_t(tb ? j : l), int64_t(tb ? l : j));
      const int64_t at = int64_t(j) * lc.leading + int64_t(i);
      if (lc.type == lt::kReal32)
        static_cast<float*>(d)[at] = narrowed<float>(sum);
      else
        static_cast<Bf16*>(d)[at] = narrowed<Bf16>(sum);
    }
  return 0;
}

void* find(const char* symbol) {
  const std::string name = symbol;
  const auto address = [](auto function) { return reinterpret_cast<void*>(function); };
  if (name == "cublasLtGetVersion") return address(+[] { return version; });
  if (name == "cublasLtCreate") return address(+[](void** handle) { return make<int>(handle); });
  if (name == "cublasLtDestroy") return address(destroy<int>);
  if (name == "cublasLtMatmulDescCreate")
    return address(+[](void** desc, int compute, int scale) { return make<Desc>(desc, compute, scale); });
  if (name == "cublasLtMatmulDescDestroy") return address(destroy<Desc>);
  if (name == "cublasLtMatmulDescSetAttribute") return address(set_desc);
  if (name == "cublasLtMatrixLayoutCreate")
    return address(+[](void** layout, int type, uint64_t rows, uint64_t cols, int64_t leading) {
      return make<Layout>(layout, type, rows, cols, leading);
    });
  if (name == "cublasLtMatrixLayoutDestroy") return address(destroy<Layout>);
  if (name == "cublasLtMatmulPreferenceCreate")
    return address(+[](void** preference) { return make<Preference>(preference); });
  if (name == "cublasLtMatmulPreferenceDestroy") return address(destroy<Preference>);
  if (name == "cublasLtMatmulPreferenceSetAttribute") return address(set_preference);
  if (name == "cublasLtMatmulAlgoGetHeuristic") return address(heuristic);
  if (name == "cublasLtMatmul") return address(matmul);
  return nullptr;
}

// ---- the tests ------------------------------------------------------------------------------------------------------

/// A matrix of type T in ordinary memory, rows `gap` numbers apart beyond their width.
template <class T>
struct Held {
  std::vector<T> memory;
  int64_t rows, cols, stride;

  Held(const Dense& values, int64_t gap) : rows(values.rows), cols(values.cols), stride(values.cols + gap) {
    memory.assign(size_t(rows * stride), narrowed<T>(1232));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < cols; ++c) memory[size_t(r * stride + c)] = narrowed<T>(values(r, c));
  }
  AnyMat view() { return {memory.data(), rows, cols, stride, sizeof(T) == 4 ? Type::f32 : Type::bf16}; }
  Dense get() const {
    Dense values(rows, cols);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < cols; ++c) values(r, c) = widened(memory[size_t(r * stride + c)]);
    return values;
  }
};

template <class T>
Dense rounded(Dense m) {
  for (double& value : m.values) value = widened(narrowed<T>(value));
  return m;
}

Dense transposed(const Dense& m) {
  Dense t(m.cols, m.rows);
  for (int64_t r = 0; r < m.rows; ++r)
    for (int64_t c = 0; c < m.cols; ++c) t(c, r) = m(r, c);
  return t;
}

template <class T, class TC>
void test_product(Cublaslt& library, int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b, float beta) {
  Random random(11);
  const Dense a = rounded<T>(random.matrix(m, k)), b = rounded<T>(random.matrix(k, n));
  const Dense start = rounded<TC>(random.matrix(m, n));
  Dense expected = start;
  for (int64_t r = 0; r < m; ++r)
    for (int64_t c = 0; c < n; ++c) {
      double sum = beta * start(r, c);
      for (int64_t l = 0; l < k; ++l) sum += a(r, l) * b(l, c);
      expected(r, c) = widened(narrowed<TC>(sum));
    }
  Held<T> left(transpose_a ? transposed(a) : a, 1), right(transpose_b ? transposed(b) : b, 2);
  Held<TC> out(start, 3);
  CHECK(library.multiply({m, n, k, transpose_a, transpose_b, left.view(), right.view(), out.view(), beta}, nullptr,
                         nullptr));
  expect_close("a product by the library", out.get(), expected, 1e-7);
}

void test_products() {
  {
    const std::unique_ptr<Cublaslt> library = Cublaslt::open_from(find);
    CHECK(library != nullptr && library->name() == "cuBLASLt 13.0.2");
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true})
        for (const float beta : {0.0f, 1.0f}) {
          test_product<float, float>(*library, 5, 7, 3, transpose_a, transpose_b, beta);
          test_product<Bf16, float>(*library, 1, 9, 4, transpose_a, transpose_b, beta);
          test_product<Bf16, Bf16>(*library, 6, 2, 8, transpose_a, transpose_b, beta);
        }
    CHECK(asked->workspace == Cublaslt::kWorkspace && asked->reductions == lt::kReduceInComputeType);
    for (const uint32_t alignment : asked->alignment) CHECK(alignment >= 2 && alignment <= 4);  // strides are odd

    const int before = heuristics;
    test_product<float, float>(*library, 5, 7, 3, false, true, 0.0f);
    CHECK(heuristics == before);  // a shape is asked for once
  }
  CHECK(living == 0);
}

/// Shapes that never come again do not pile up.
void test_many_shapes() {
  const std::unique_ptr<Cublaslt> library = Cublaslt::open_from(find);
  const int handle = living;
  Held<float> a(Dense(1, int64_t{Cublaslt::kMostPlans} + 1), 0), b(Dense(int64_t{Cublaslt::kMostPlans} + 1, 1), 0),
      c(Dense(1, 1), 0);
  const auto multiply = [&](int64_t k) {
    const ConstAnyMat left{a.memory.data(), 1, k, a.stride, Type::f32}, right{b.memory.data(), k, 1, 1, Type::f32};
    CHECK(library->multiply({1, 1, k, false, false, left, right, c.view(), 0.0f}, nullptr, nullptr));
  };
  constexpr int64_t kShapes = int64_t{Cublaslt::kMostPlans};
  for (int64_t k = 1; k <= kShapes; ++k) multiply(k);
  const int all = living, before = heuristics;
  multiply(1);
  CHECK(living == all && heuristics == before);
  multiply(kShapes + 1);
  CHECK(living < handle + 10);
  multiply(1);
  CHECK(heuristics == before + 2);
}

void test_refusals() {
  const std::unique_ptr<Cublaslt> library = Cublaslt::open_from(find);
  has_algorithm = false;
  Held<float> m(Dense(4, 4), 0);
  CHECK(!library->multiply({4, 4, 4, false, false, m.view(), m.view(), m.view(), 0.0f}, nullptr, nullptr));
  has_algorithm = true;
  for (const size_t other : {size_t{110900}, size_t{140000}}) {
    version = other;
    CHECK(Cublaslt::open_from(find) == nullptr);
  }
  version = 120803;
  CHECK(Cublaslt::open_from(find)->name() == "cuBLASLt 12.8.3");
  CHECK(Cublaslt::open_from([](const char* symbol) {
          return std::string(symbol) == "cublasLtMatmul" ? nullptr : find(symbol);
        }) == nullptr);
}

}  // namespace

int main() {
  test_products();
  test_many_shapes();
  test_refusals();
  return exit_status();
}
