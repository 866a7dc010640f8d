#include "cublaslt.h"

#include <dlfcn.h>
#include <glob.h>

#include <cstdlib>
#include <type_traits>
#include <utility>
#include <vector>

#include "cublaslt_declarations.h"

namespace gradfold::cuda {

/// The library's functions.
struct Cublaslt::Functions {
  lt::GetVersion version;
  lt::Create create;
  lt::Destroy destroy, desc_destroy, layout_destroy, preference_destroy;
  lt::DescCreate desc_create;
  lt::LayoutCreate layout_create;
  lt::PreferenceCreate preference_create;
  lt::SetAttribute desc_set, preference_set;
  lt::GetHeuristic heuristic;
  lt::Matmul matmul;

  /// False where one of them is missing.
  bool take_all(const std::function<void*(const char*)>& find) {
    bool all = true;
    const auto take = [&](auto& function, const char* symbol) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(find(symbol));
      all = all && function != nullptr;
    };
    take(version, "cublasLtGetVersion");
    take(create, "cublasLtCreate");
    take(destroy, "cublasLtDestroy");
    take(desc_create, "cublasLtMatmulDescCreate");
    take(desc_destroy, "cublasLtMatmulDescDestroy");
    take(desc_set, "cublasLtMatmulDescSetAttribute");
    take(layout_create, "cublasLtMatrixLayoutCreate");
    take(layout_destroy, "cublasLtMatrixLayoutDestroy");
    take(preference_create, "cublasLtMatmulPreferenceCreate");
    take(preference_destroy, "cublasLtMatmulPreferenceDestroy");
    take(preference_set, "cublasLtMatmulPreferenceSetAttribute");
    take(heuristic, "cublasLtMatmulAlgoGetHeuristic");
    take(matmul, "cublasLtMatmul");
    return all;
  }
};

namespace {

/// An object of the library, destroyed by it.
class Object {
 public:
  explicit Object(lt::Destroy destroy) : destroy_(destroy) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() {
    if (made) destroy_(made);
  }

  void* made = nullptr;

 private:
  lt::Destroy destroy_;
};

int library_type(Type type) { return type == Type::f32 ? lt::kReal32 : lt::kRealBf16; }

/// The largest power of two up to 256 that divides a matrix's address and the bytes between its rows.
template <class M>
uint32_t alignment_of(const M& m) {
  const uint64_t bits = reinterpret_cast<uintptr_t>(m.data) | static_cast<uint64_t>(m.stride * size_of(m.type)) | 256u;
  return static_cast<uint32_t>(bits & (~bits + 1));
}

std::vector<std::string> matching(const std::string& pattern) {
  std::vector<std::string> found;
  glob_t results{};
  if (glob(pattern.c_str(), 0, nullptr, &results) == 0)
    for (size_t i = 0; i < results.gl_pathc; ++i) found.emplace_back(results.gl_pathv[i]);
  globfree(&results);
  return found;
}

/// Files to try, in order.
std::vector<std::string> candidates() {
  const std::vector<std::string> names{"libcublasLt.so.13", "libcublasLt.so", "libcublasLt.so.12"};
  std::vector<std::string> files;
  const auto add_directory = [&](const std::string& directory) {
    for (const std::string& name : names) files.push_back(directory + "/" + name);
  };
  const auto add_packages = [&](const std::string& packages) {
    for (const char* place : {"/nvidia/cu13/lib", "/nvidia/cublas/lib"})
      for (const std::string& directory : matching(packages + place)) add_directory(directory);
  };
  if (const char* named = std::getenv("GRADFOLD_CUBLASLT")) {
    files.emplace_back(named);
    add_directory(named);
    add_packages(named);
  }
  files.insert(files.end(), names.begin(), names.end());
  add_directory("/usr/local/cuda/lib64");
  if (const char* environment = std::getenv("VIRTUAL_ENV"))
    add_packages(std::string(environment) + "/lib/python3*/site-packages");
  return files;
}

}  // namespace

/// Descriptors and algorithm of products of one shape; without an algorithm where there is none.
struct Cublaslt::Plan {
  explicit Plan(const Functions& f)
      : desc(f.desc_destroy), a(f.layout_destroy), b(f.layout_destroy), c(f.layout_destroy) {}
  Object desc, a, b, c;
  lt::Algorithm algorithm{};
  bool found = false;
  bool done = false;  // a product, without complaint
};

Cublaslt::Cublaslt(std::unique_ptr<Functions> functions, void* handle, std::string name)
    : functions_(std::move(functions)), handle_(handle), name_(std::move(name)) {}

Cublaslt::~Cublaslt() {
  plans_.clear();
  functions_->destroy(handle_);
}

std::unique_ptr<Cublaslt> Cublaslt::open() {
  const char* named = std::getenv("GRADFOLD_CUBLASLT");
  if (named != nullptr && std::string(named) == "off") return nullptr;
  for (const std::string& file : candidates()) {
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) continue;
    // One that fits stays loaded for good: it has registered what runs at exit.
    if (auto opened = open_from([&](const char* symbol) { return dlsym(library, symbol); })) return opened;
    dlclose(library);
  }
  return nullptr;
}

std::unique_ptr<Cublaslt> Cublaslt::open_from(const std::function<void*(const char*)>& find) {
  constexpr size_t kOldest = 12, kNewest = 13;  // major versions whose interface is the one declared
  auto functions = std::make_unique<Functions>();
  if (!functions->take_all(find)) return nullptr;
  // 130002 is 13.0.2.
  const size_t version = functions->version(), major = version / 10000;
  void* handle = nullptr;
  if (major < kOldest || major > kNewest || functions->create(&handle) != 0) return nullptr;
  const std::string name = "cuBLASLt " + std::to_string(major) + "." + std::to_string(version / 100 % 100) + "." +
                           std::to_string(version % 100);
  return std::unique_ptr<Cublaslt>(new Cublaslt(std::move(functions), handle, name));
}

std::unique_ptr<Cublaslt::Plan> Cublaslt::make_plan(const LibraryProduct& p, const uint32_t (&alignment)[3]) const {
  const Functions& f = *functions_;
  auto plan = std::make_unique<Plan>(f);
  // Row-major matrices are the transposes of column-major ones: cᵀ = op(b)ᵀ op(a)ᵀ.
  const auto layout = [&](Object& object, Type type, int64_t rows, int64_t cols, int64_t stride) {
    return f.layout_create(&object.made, library_type(type), static_cast<uint64_t>(cols), static_cast<uint64_t>(rows),
                           stride) == 0;
  };
  const int32_t trans_a = p.transpose_b ? lt::kOpT : lt::kOpN, trans_b = p.transpose_a ? lt::kOpT : lt::kOpN;
  Object preference(f.preference_destroy);
  bool made = f.desc_create(&plan->desc.made, lt::kCompute32, lt::kReal32) == 0 &&
              f.desc_set(plan->desc.made, lt::kDescTransA, &trans_a, sizeof trans_a) == 0 &&
              f.desc_set(plan->desc.made, lt::kDescTransB, &trans_b, sizeof trans_b) == 0 &&
              layout(plan->a, p.b.type, p.b.rows, p.b.cols, p.b.stride) &&
              layout(plan->b, p.a.type, p.a.rows, p.a.cols, p.a.stride) &&
              layout(plan->c, p.c.type, p.c.rows, p.c.cols, p.c.stride) && f.preference_create(&preference.made) == 0;
  const size_t workspace = kWorkspace;
  const auto prefer = [&](int attribute, const auto& value) {
    made = made && f.preference_set(preference.made, attribute, &value, sizeof value) == 0;
  };
  prefer(lt::kPreferenceWorkspace, workspace);
  prefer(lt::kPreferenceReductions, lt::kReduceInComputeType);
  prefer(lt::kPreferenceAlignA, alignment[1]);
  prefer(lt::kPreferenceAlignB, alignment[0]);
  prefer(lt::kPreferenceAlignC, alignment[2]);
  prefer(lt::kPreferenceAlignD, alignment[2]);
  if (!made) return plan;
  lt::Heuristic best{};
  int count = 0;
  plan->found = f.heuristic(handle_, plan->desc.made, plan->a.made, plan->b.made, plan->c.made, plan->c.made,
                            preference.made, 1, &best, &count) == 0 &&
                count > 0 && best.state == 0 && best.workspace <= kWorkspace;
  plan->algorithm = best.algorithm;
  return plan;
}

Cublaslt::Key Cublaslt::key_of(const LibraryProduct& p, const uint32_t (&alignment)[3]) {
  int kind = (p.transpose_a ? 1 : 0) | (p.transpose_b ? 2 : 0) | (p.a.type == Type::bf16 ? 4 : 0) |
             (p.c.type == Type::bf16 ? 8 : 0);
  for (const uint32_t bytes : alignment) kind = kind * 512 + static_cast<int>(bytes);
  return {p.m, p.n, p.k, p.a.stride, p.b.stride, p.c.stride, kind};
}

bool Cublaslt::multiply(const LibraryProduct& p, void* workspace, void* stream) {
  const uint32_t alignment[3] = {alignment_of(p.a), alignment_of(p.b), alignment_of(p.c)};
  const Key key = key_of(p, alignment);
  // Batches of ever other lengths would pile them up.
  if (plans_.size() >= kMostPlans && plans_.find(key) == plans_.end()) plans_.clear();
  std::unique_ptr<Plan>& plan = plans_[key];
  if (!plan) plan = make_plan(p, alignment);
  if (!plan->found) return false;
  const float alpha = 1.0f;
  plan->done = functions_->matmul(handle_, plan->desc.made, &alpha, p.b.data, plan->a.made, p.a.data, plan->b.made,
                                  &p.beta, p.c.data, plan->c.made, p.c.data, plan->c.made, &plan->algorithm, workspace,
                                  kWorkspace, stream) == 0;
  return plan->done;
}

bool Cublaslt::has_done(const LibraryProduct& p) const {
  const auto plan = plans_.find(key_of(p, {alignment_of(p.a), alignment_of(p.b), alignment_of(p.c)}));
  return plan != plans_.end() && plan->second->done;
}

}  // namespace gradfold::cuda
