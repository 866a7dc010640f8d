// Matrix products of the CUDA device: by cuBLASLt where it is found and has an algorithm, else by tiles of our own.
#include <mutex>

#include "cublaslt.h"
#include "cuda_device.h"
#include "launch.h"
#include "matmul.cuh"
#include "products.h"
#include "types.h"
#include "wgmma_kernels.h"

namespace gradfold::cuda {

class Products {
 public:
  explicit Products(Stream& stream) : stream_(stream) {
#ifndef GRADFOLD_CUDA_EMULATION
    stream.state().bind();
    library_ = Cublaslt::open();
    if (library_) workspace_ = stream.allocate(Cublaslt::kWorkspace);
#endif
  }
  ~Products() {
    stream_.flush();  // products that are held back still need the library
    if (workspace_) stream_.release(workspace_);
  }
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  const char* name() const { return library_ ? library_->name().c_str() : "own tiles"; }
  bool has_library() const { return library_ != nullptr; }

  /// False where there is no library, or it has no algorithm.
  bool multiply(const LibraryProduct& product) {
#ifdef GRADFOLD_CUDA_EMULATION
    (void)product;
    return false;
#else
    if (!library_) return false;
    // The first of a shape shows at once whether the library does it.
    if (!has_done(product)) {
      Stream::State& state = stream_.state();
      state.bind();
      return run(product, state.stream);
    }
    using Packed = PackedArguments<LibraryProduct>;
    Work work;
    work.kind = Work::Kind::library;
    work.name = "a product of cuBLASLt";
    work.owner = this;
    work.bytes = Packed::kBytes;
    work.call = [](const Work& one, const std::byte* arguments, void* stream) {
      if (!static_cast<Products*>(one.owner)->run(*reinterpret_cast<const LibraryProduct*>(arguments), stream))
        throw DeviceError("cuBLASLt refused a product that it has done before");
    };
    stream_.enqueue(work, Packed(product).data());
    return true;
#endif
  }

 private:
  // Works that are held back may be handed over by any thread that runs out of memory.
  bool has_done(const LibraryProduct& product) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return library_->has_done(product);
  }
  bool run(const LibraryProduct& product, void* stream) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return library_->multiply(product, workspace_, stream);
  }

  Stream& stream_;
  std::mutex mutex_;
  std::unique_ptr<Cublaslt> library_;
  void* workspace_ = nullptr;
};

std::shared_ptr<Products> open_products(Stream& stream) { return std::make_shared<Products>(stream); }
const char* products_name(const Products& products, Type) { return products.name(); }
bool products_library(const Products& products) { return products.has_library(); }
size_t products_workspace(const Products& products) { return products.has_library() ? Cublaslt::kWorkspace : 0; }

namespace {

/// Tiles from which on they are the larger ones: fewer would leave multiprocessors idle.
constexpr int64_t kEnoughTiles = 96;

template <class T, bool kInnerA, bool kInnerB, int kTile>
void run_tiles(Stream& stream, const Operand<T>& a, const Operand<T>& b, const Result& c) {
  const TileOrder order{int(ceil_div(c.rows, kTile)), int(ceil_div(c.cols, kTile))};
  launch(stream, "matmul", int64_t{order.down} * order.across, kTileThreads<kTile>,
         size_t(Stages<T, kInnerA, kInnerB, kTile>::kBytes), matmul_tiles<T, kInnerA, kInnerB, kTile>, a, b, c, order);
}

template <class T, bool kInnerA, bool kInnerB>
void run_tiles(Stream& stream, const Operand<T>& a, const Operand<T>& b, const Result& c) {
  if (ceil_div(c.rows, 128) * ceil_div(c.cols, 128) >= kEnoughTiles)
    run_tiles<T, kInnerA, kInnerB, 128>(stream, a, b, c);
  else
    run_tiles<T, kInnerA, kInnerB, 64>(stream, a, b, c);
}

Result result_of(const AnyMat& c, bool adds) {
  const int64_t pair = 2 * size_of(c.type);
  const bool pairs = reinterpret_cast<uintptr_t>(c.data) % uintptr_t(pair) == 0 && c.stride % 2 == 0;
  return {c.data, c.stride, int(c.rows), int(c.cols), c.type == Type::bf16, pairs, adds};
}

/// Whether a product is one for warpgroups: half of the multiprocessors get a tile of theirs.
bool for_warpgroups(const Stream& stream, const Result& c) {
  const int64_t tiles = ceil_div(c.rows, kWarpgroupTileRows) * ceil_div(c.cols, kWarpgroupTileCols);
  return has_warpgroups(stream) && 2 * tiles >= stream.facts().multiprocessors;
}

/// How a precision's weights are laid out for products: rows at multiples of 16 bytes.
int64_t prepared_stride(int64_t cols) { return ceil_div(cols, 8) * 8; }

}  // namespace

void CudaDevice::matmul(ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, AnyMat c, float beta) {
  if (c.rows == 0 || c.cols == 0) return;
  const int64_t depth = transpose_a ? a.rows : a.cols;
  if (depth > 0 && products_->multiply({c.rows, c.cols, depth, transpose_a, transpose_b, a, b, c, beta})) return;
  const Result to = result_of(c, beta != 0.0f);
  if (a.type == Type::bf16 && for_warpgroups(stream_, to))
    return launch_warpgroup_product(stream_, !transpose_a, transpose_b, left_operand<Bf16>(a, transpose_a),
                                    right_operand<Bf16>(b, transpose_b), to);
  with_type(a.type, [&](auto number) {
    using T = decltype(number);
    const Operand<T> left = left_operand<T>(a, transpose_a), right = right_operand<T>(b, transpose_b);
    if (transpose_a)
      transpose_b ? run_tiles<T, false, true>(stream_, left, right, to)
                  : run_tiles<T, false, false>(stream_, left, right, to);
    else
      transpose_b ? run_tiles<T, true, true>(stream_, left, right, to)
                  : run_tiles<T, true, false>(stream_, left, right, to);
  });
}

size_t CudaDevice::prepared_bytes(int64_t rows, int64_t cols) const {
  return precision_ == Type::f32 ? 0 : size_t(rows * prepared_stride(cols)) * sizeof(Bf16);
}

void CudaDevice::prepare_weight(ConstMat weight, void* prepared) {
  if (precision_ == Type::f32) return;
  convert(weight, {prepared, weight.rows, weight.cols, prepared_stride(weight.cols), Type::bf16});
}

void CudaDevice::apply_weight(ConstAnyMat x, const WeightOperand& w, bool transpose, AnyMat y, float beta) {
  const ConstMat& m = w.weight;
  const ConstAnyMat operand = precision_ == Type::f32
                                  ? ConstAnyMat(m)
                                  : ConstAnyMat(w.prepared, m.rows, m.cols, prepared_stride(m.cols), Type::bf16);
  matmul(x, false, operand, transpose, y, beta);
}

}  // namespace gradfold::cuda
