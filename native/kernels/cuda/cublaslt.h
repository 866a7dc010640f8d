// NVIDIA's matrix library, loaded at run time: own declarations of the few functions, nothing to link or to install.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "../kernels.h"

namespace gradfold::cuda {

/// c [m × n] = op(a) op(b) + beta c of row-major matrices, float32 sums.
struct LibraryProduct {
  int64_t m, n, k;
  bool transpose_a, transpose_b;
  ConstAnyMat a, b;
  AnyMat c;
  float beta;
};

class Cublaslt {
 public:
  /// Bytes of device memory that products may use.
  static constexpr size_t kWorkspace = size_t{32} << 20;
  /// Shapes that are remembered; one more and all are forgotten. About a KiB each.
  static constexpr size_t kMostPlans = 4096;

  /// The library, with a handle for the calling thread's device, or null where none is found that fits. Looked for: the
  /// file or directory that GRADFOLD_CUBLASLT names ("off": nothing), what the dynamic linker knows, the CUDA toolkit's
  /// place, the wheels of an active Python environment.
  static std::unique_ptr<Cublaslt> open();
  /// From the addresses of its functions by name; null where one is missing, or the version does not fit.
  static std::unique_ptr<Cublaslt> open_from(const std::function<void*(const char*)>& find);
  ~Cublaslt();
  Cublaslt(const Cublaslt&) = delete;
  Cublaslt& operator=(const Cublaslt&) = delete;

  /// "cuBLASLt 13.0.2"
  const std::string& name() const { return name_; }
  /// Enqueues a product on a cudaStream_t; false where the library has no algorithm for it. Equal shapes take the
  /// algorithm that the first of them was given.
  bool multiply(const LibraryProduct& product, void* workspace, void* stream);
  /// Whether the library has done a product of this shape already.
  bool has_done(const LibraryProduct& product) const;

 private:
  struct Functions;
  struct Plan;
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int>;

  Cublaslt(std::unique_ptr<Functions> functions, void* handle, std::string name);
  static Key key_of(const LibraryProduct& product, const uint32_t (&alignment)[3]);
  std::unique_ptr<Plan> make_plan(const LibraryProduct& product, const uint32_t (&alignment)[3]) const;

  std::unique_ptr<Functions> functions_;
  void* handle_;
  std::string name_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

}  // namespace gradfold::cuda
