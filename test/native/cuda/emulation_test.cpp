// The emulation that CUDA kernels are tested in: warp operations, tensor-core fragments and copies as the PTX manual
// has them, and the mistakes that it has to find. Built for emulation only.
#include <functional>
#include <string>
#include <vector>

#include "../../../native/kernels/cuda/launch.h"
#include "../../../native/kernels/cuda/reduce.cuh"
#include "../layers_support.h"

using namespace gradfold;
using namespace gradfold::cuda;
using namespace gradfold::test;

namespace {

// ---- what kernels may rely on ---------------------------------------------------------------------------------------

__global__ void shuffle_kernel(int32_t* out) {
  const int lane = int(threadIdx.x);
  out[lane] = __shfl_xor_sync(kWholeWarp, lane, 5);
  out[32 + lane] = __shfl_down_sync(kWholeWarp, lane, 3);
  out[64 + lane] = __shfl_up_sync(kWholeWarp, lane, 3);
  out[96 + lane] = __shfl_sync(kWholeWarp, lane, 7);
  out[128 + lane] = int32_t(__ballot_sync(kWholeWarp, lane % 3 == 0));
}

void test_shuffles(Stream& stream) {
  auto* out = static_cast<int32_t*>(stream.allocate(160 * sizeof(int32_t)));
  launch(stream, "shuffle", 1, 32, 0, shuffle_kernel, out);
  std::vector<int32_t> values(160);
  stream.copy_out(values.data(), out, 160 * sizeof(int32_t));
  uint32_t thirds = 0;
  for (int k = 0; k < 32; k += 3) thirds |= 1u << k;
  for (int k = 0; k < 32; ++k) {
    CHECK(values[size_t(k)] == (k ^ 5));
    CHECK(values[size_t(32 + k)] == (k + 3 < 32 ? k + 3 : k));
    CHECK(values[size_t(64 + k)] == (k >= 3 ? k - 3 : k));
    CHECK(values[size_t(96 + k)] == 7);
    CHECK(uint32_t(values[size_t(128 + k)]) == thirds);
  }
  stream.release(out);
}

__global__ void block_sum_kernel(const double* x, double* out) {
  double sums[2] = {x[threadIdx.x], double(threadIdx.x)};
  block_sums(sums);
  out[2 * (blockIdx.x * blockDim.x + threadIdx.x)] = sums[0];
  out[2 * (blockIdx.x * blockDim.x + threadIdx.x) + 1] = sums[1];
}

void test_block_sum(Stream& stream) {
  std::vector<double> x(96);
  double total = 0;
  for (size_t i = 0; i < 96; ++i) total += x[i] = double(i * i);
  auto* device = static_cast<double*>(stream.allocate(96 * sizeof(double)));
  auto* out = static_cast<double*>(stream.allocate(4 * 96 * sizeof(double)));
  stream.copy_in(device, x.data(), 96 * sizeof(double));
  launch(stream, "block sum", 2, 96, 0, block_sum_kernel, device, out);
  std::vector<double> sums(4 * 96);
  stream.copy_out(sums.data(), out, sums.size() * sizeof(double));
  for (size_t i = 0; i < 2 * 96; ++i) CHECK(sums[2 * i] == total && sums[2 * i + 1] == 95.0 * 96 / 2);
  stream.release(device);
  stream.release(out);
}

/// One tile by the tensor cores, its operands out of shared memory: A by ldmatrix, B by ldmatrix (B given as its
/// transpose [8 × 16]) or by ldmatrix with transposition (B given as it is, [16 × 8]).
template <bool kTransposed>
__global__ void bf16_tile_kernel(const Bf16* a, const Bf16* b, float* c) {
  GRADFOLD_SHARED(Bf16, as, 16 * 24);
  GRADFOLD_SHARED(Bf16, bs, 16 * 24);
  const int lane = int(threadIdx.x);
  cp_async_16(as + (lane / 2) * 24 + lane % 2 * 8, a + (lane / 2) * 16 + lane % 2 * 8, true);
  if (lane < 16) {
    if (kTransposed)
      cp_async_16(bs + lane * 24, b + lane * 8, true);
    else
      cp_async_16(bs + (lane / 2) * 24 + lane % 2 * 8, b + (lane / 2) * 16 + lane % 2 * 8, true);
  }
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  uint32_t fa[4], fb[2];
  ldmatrix_x4(fa, as + (lane % 16) * 24 + lane / 16 * 8);
  if (kTransposed)
    ldmatrix_x2_trans(fb, bs + (lane % 16) * 24);
  else
    ldmatrix_x2(fb, bs + (lane % 8) * 24 + lane / 8 % 2 * 8);
  float d[4] = {1, 1, 1, 1};
  mma_bf16_16816(d, fa, fb);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

template <class T>
T* upload(Stream& stream, const std::vector<T>& values) {
  void* memory = stream.allocate(values.size() * sizeof(T));
  stream.copy_in(memory, values.data(), values.size() * sizeof(T));
  stream.wait();
  return static_cast<T*>(memory);
}

template <class Launch>
void test_tile(Stream& stream, bool transposed, Launch run) {
  constexpr int64_t depth = 16;
  Random random(17);
  const auto numbers = [&](int64_t count) {
    std::vector<Bf16> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(narrowed<Bf16>(double(int(random.next() * 8))));
    return values;
  };
  const std::vector<Bf16> a = numbers(16 * depth), b = numbers(depth * 8);
  Bf16 *a_device = upload(stream, a), *b_device = upload(stream, b);
  auto* c_device = static_cast<float*>(stream.allocate(128 * sizeof(float)));
  run(a_device, b_device, c_device);
  std::vector<float> c(128);
  stream.copy_out(c.data(), c_device, 128 * sizeof(float));
  for (int64_t r = 0; r < 16; ++r)
    for (int64_t n = 0; n < 8; ++n) {
      double sum = 1;
      for (int64_t k = 0; k < depth; ++k)
        sum += widened(a[size_t(r * depth + k)]) * widened(b[size_t(transposed ? n * depth + k : k * 8 + n)]);
      CHECK(c[size_t(r * 8 + n)] == float(sum));
    }
  for (void* memory : {static_cast<void*>(a_device), static_cast<void*>(b_device), static_cast<void*>(c_device)})
    stream.release(memory);
}

void test_tensor_cores(Stream& stream) {
  test_tile(stream, true, [&](const Bf16* a, const Bf16* b, float* c) {
    launch(stream, "bf16 tile", 1, 32, 0, bf16_tile_kernel<false>, a, b, c);
  });
  test_tile(stream, false, [&](const Bf16* a, const Bf16* b, float* c) {
    launch(stream, "bf16 tile", 1, 32, 0, bf16_tile_kernel<true>, a, b, c);
  });
}

// ---- what it has to find --------------------------------------------------------------------------------------------

__global__ void outside_kernel(float*) {
  GRADFOLD_SHARED(float, tile, 32);
  tile[int(threadIdx.x) + 1] = 1.0f;
}
__global__ void half_barrier_kernel(float*) {
  if (threadIdx.x < 32) __syncthreads();
}
__global__ void two_barriers_kernel(float*) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}
__global__ void half_shuffle_kernel(float* out) {
  if (threadIdx.x % 32 < 16) out[0] = __shfl_xor_sync(kWholeWarp, 1.0f, 1);
}
__global__ void no_barrier_kernel(float* out) {
  GRADFOLD_SHARED(float, tile, 64);
  tile[threadIdx.x] = 1.0f;
  out[threadIdx.x] = tile[63 - threadIdx.x];
}
__global__ void no_second_barrier_kernel(float* out) {
  GRADFOLD_SHARED(float, tile, 64);
  tile[threadIdx.x] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = tile[63 - threadIdx.x];
  tile[threadIdx.x] = 2.0f;
}
__global__ void warp_without_barrier_kernel(float* out) {
  GRADFOLD_SHARED(float, tile, 64);
  tile[threadIdx.x] = 1.0f;
  out[threadIdx.x] = tile[threadIdx.x ^ 1u];
}
__global__ void warp_with_barrier_kernel(float* out) {
  GRADFOLD_SHARED(float, tile, 64);
  tile[threadIdx.x] = 1.0f;
  __syncwarp();
  out[threadIdx.x] = tile[threadIdx.x ^ 1u];
}
__global__ void unaligned_kernel(float* out) {
  GRADFOLD_SHARED(float, tile, 64);
  cp_async_16(tile + 1, out, true);
}
__global__ void unwaited_kernel(float* out) {
  GRADFOLD_SHARED(float, tile, 64);
  if (threadIdx.x < 16) cp_async_16(tile + 4 * threadIdx.x, out + 4 * threadIdx.x, true);
  cp_async_commit();
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}
__global__ void dynamic_kernel(float* out) {
  GRADFOLD_DYNAMIC_SHARED(memory);
  const SharedArray<float> first = shared_part<float>(memory, 0, 64), second = shared_part<float>(memory, 256, 64);
  first[threadIdx.x] = 1.0f;
  second[threadIdx.x] = 2.0f;
  __syncthreads();
  out[threadIdx.x] = float(first[63 - threadIdx.x]) + float(second[63 - threadIdx.x]);
}

/// What running a kernel of 64 threads says; empty where it is content.
std::string complaint(void (*kernel)(float*), size_t shared = 0) {
  Stream stream(0);
  auto* out = static_cast<float*>(stream.allocate(64 * sizeof(float)));
  stream.zero(out, 64 * sizeof(float));
  launch(stream, "test", 1, 64, shared, kernel, out);
  try {
    stream.wait();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

void expect_complaint(const char* words, void (*kernel)(float*), size_t shared = 0) {
  const std::string said = complaint(kernel, shared);
  check(said.find(words) != std::string::npos, __FILE__, __LINE__, (std::string(words) + ", not: " + said).c_str());
}

void test_complaints() {
  expect_complaint("of tile, which has 128", outside_kernel);
  expect_complaint("only 32 of 64 threads reached", half_barrier_kernel);
  expect_complaint("while others are at", two_barriers_kernel);
  expect_complaint("only 16 of 32 threads reached", half_shuffle_kernel);
  expect_complaint("with no barrier between", no_barrier_kernel);
  expect_complaint("with no barrier between", no_second_barrier_kernel);
  expect_complaint("with no barrier between", warp_without_barrier_kernel);
  expect_complaint("not aligned", unaligned_kernel);
  expect_complaint("of memory, which has", dynamic_kernel, 256);
  CHECK(complaint(warp_with_barrier_kernel).empty());
  CHECK(complaint(dynamic_kernel, 512).empty());
}

/// A copy that nobody waited for is not there.
void test_unwaited_copy(Stream& stream) {
  auto* out = upload(stream, std::vector<float>(64, 3.0f));
  launch(stream, "unwaited", 1, 64, 0, unwaited_kernel, out);
  std::vector<float> values(64);
  stream.copy_out(values.data(), out, 64 * sizeof(float));
  for (const float value : values) CHECK(std::isnan(value));
  stream.release(out);
}

}  // namespace

int main() {
  Stream stream(0);
  test_shuffles(stream);
  test_block_sum(stream);
  test_tensor_cores(stream);
  test_complaints();
  test_unwaited_copy(stream);
  return exit_status();
}
