// The warpgroups' matrix instruction in emulation: panels and descriptors against each other, products against loops in
// every direction of both operands, and the mistakes in order that the emulation has to find. Built for emulation only.
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "../../../native/kernels/cuda/launch.h"
#include "../../../native/kernels/cuda/wgmma_tile.cuh"
#include "../layers_support.h"

using namespace gradfold;
using namespace gradfold::cuda;
using namespace gradfold::test;

namespace {

constexpr int kDepth = 64;
using Place = WarpgroupPlace;

// ---- descriptors ----------------------------------------------------------------------------------------------------

/// Every number that a descriptor tells of stands where the panel has put it.
template <bool kInner, int kOuter, int kPanelDepth>
void test_descriptors(int tile) {
  using Panel = SwizzledPanel<kInner, kOuter, kPanelDepth>;
  constexpr uint32_t kPanel = 3 * kSwizzlePiece;
  std::vector<bool> taken(Panel::kBytes / 2, false);
  for (int outer = 0; outer < kOuter; outer += tile)
    for (int inner = 0; inner < kPanelDepth; inner += 16)
      for (int o = 0; o < tile; ++o)
        for (int i = 0; i < 16; ++i) {
          const int line = kInner ? outer + o : inner + i, along = kInner ? inner + i : outer + o;
          const uint32_t byte = emulation::described_byte(Panel::descriptor(kPanel, outer, inner), !kInner, o, i);
          CHECK(byte == kPanel + uint32_t(Panel::place(line, along / 8) + along % 8 * 2));
          CHECK(!taken[(byte - kPanel) / 2]);
          taken[(byte - kPanel) / 2] = true;
        }
  for (const bool one : taken) CHECK(one);
}

/// The other modes of the manual, by hand: bytes of number (outer 9, inner 10).
void test_modes() {
  const auto mode = [](uint64_t code) {
    return uint64_t(1024 >> 4) | uint64_t(512 >> 4) << 16 | uint64_t(4096 >> 4) << 32 | code << 62;
  };
  // No swizzle: pieces of 8 × 16 bytes, neighbours in the inner direction `leading` apart, in the outer one `stride`.
  CHECK(emulation::described_byte(mode(0), false, 9, 10) == 1024 + 16 + 4096 + 4 + 512);
  CHECK(emulation::described_byte(mode(0), true, 9, 10) == 1024 + 2 * 16 + 2 + 4096 + 512);
  // 32 bytes: unit 1 of line 1 of the second piece; line 1 (byte 32) leaves the units where they are, line 4 does not.
  CHECK(emulation::described_byte(mode(3), false, 9, 10) == 1024 + 32 + 4096 + 16 + 4);
  CHECK(emulation::described_byte(mode(3), false, 12, 10) == 1024 + 4 * 32 + 4096 + 0 + 4);
  // 64 bytes: line 2 (byte 128) exchanges units 0 and 1.
  CHECK(emulation::described_byte(mode(2), false, 2, 10) == 1024 + 2 * 64 + 0 + 4);
}

// ---- products -------------------------------------------------------------------------------------------------------

template <bool kInnerA, bool kInnerB>
using OneStage = WarpgroupStages<kInnerA, kInnerB, kDepth>;

template <bool kInnerA, bool kInnerB>
__global__ void tile_kernel(Operand<Bf16> a, Operand<Bf16> b, float* out) {
  using S = OneStage<kInnerA, kInnerB>;
  GRADFOLD_DYNAMIC_SHARED(memory);
  const S stages{whole_pieces(memory)};
  stages.load(0, a, b, 0, 0, 0, a.inners);
  cp_async_commit();
  cp_async_commit();  // arrive() leaves the last group
  stages.arrive();
  WarpgroupHeld held;
  stages.multiply(0, held, false);
  const float early = held[0][0];
  stages.multiply(0, held, true);
  wgmma_wait<0>();
  for (int i = 0; i < Place::kCount; ++i)
    out[Place::row(i) * Place::kCols + Place::col(i)] = held[i / 4][i % 4] + (std::isnan(early) ? 0.0f : 1.0f);
}

template <bool kInnerA, bool kInnerB>
void test_product(Stream& stream, int depth, int64_t pad) {
  Random random(uint64_t(depth) * 4 + kInnerA * 2 + kInnerB);
  const auto numbers = [&](int64_t lines, int64_t length) {
    std::vector<Bf16> values;
    for (int64_t i = 0; i < lines * (length + pad); ++i)
      values.push_back(narrowed<Bf16>(double(int(random.next() * 8))));
    return values;
  };
  const auto operand = [&](bool inner, int outers) {
    const std::vector<Bf16> values = numbers(inner ? outers : depth, inner ? depth : outers);
    auto* memory = static_cast<Bf16*>(stream.allocate(values.size() * sizeof(Bf16)));
    stream.copy_in(memory, values.data(), values.size() * sizeof(Bf16));
    stream.wait();
    const int64_t stride = (inner ? depth : outers) + pad;
    return std::make_pair(Operand<Bf16>{memory, stride, outers, depth, stride % 8 == 0}, values);
  };
  const auto [a, a_values] = operand(kInnerA, Place::kRows);
  const auto [b, b_values] = operand(kInnerB, Place::kCols);
  std::vector<float> out(size_t(Place::kRows) * Place::kCols);
  auto* memory = static_cast<float*>(stream.allocate(out.size() * sizeof(float)));
  launch(stream, "tile", 1, Place::kThreads, size_t(kSwizzlePiece) + OneStage<kInnerA, kInnerB>::kStageBytes,
         tile_kernel<kInnerA, kInnerB>, a, b, memory);
  stream.copy_out(out.data(), memory, out.size() * sizeof(float));
  const auto at = [&](const auto& values, const Operand<Bf16>& m, bool inner, int o, int k) {
    return widened(values[size_t(inner ? o * m.stride + k : k * m.stride + o)]);
  };
  for (int r = 0; r < Place::kRows; ++r)
    for (int c = 0; c < Place::kCols; ++c) {
      double sum = 0;
      for (int k = 0; k < depth; ++k) sum += at(a_values, a, kInnerA, r, k) * at(b_values, b, kInnerB, c, k);
      CHECK(out[size_t(r * Place::kCols + c)] == float(2 * sum));
    }
  for (const void* one :
       {static_cast<const void*>(a.data), static_cast<const void*>(b.data), static_cast<const void*>(memory)})
    stream.release(const_cast<void*>(one));
}

// ---- what it has to find --------------------------------------------------------------------------------------------

enum class Mistake { none, no_fence, no_proxy_fence, no_barrier, no_wait, overwritten };

template <Mistake kMistake>
__global__ void mistaken_kernel(float* out) {
  using S = OneStage<true, true>;
  GRADFOLD_DYNAMIC_SHARED(memory);
  const S stages{whole_pieces(memory)};
  const SharedArray<uint32_t> words = shared_as<uint32_t>(stages.shared);
  for (int i = int(threadIdx.x); i < S::kStageBytes / 4; i += Place::kThreads) words[i] = 0u;
  if (kMistake != Mistake::no_proxy_fence) async_proxy_fence();
  if (kMistake != Mistake::no_barrier) __syncthreads();
  WarpgroupHeld held;
  if (kMistake == Mistake::no_fence)
    wgmma_m64n256k16(false, false, held, S::A::descriptor(shared_address(stages.shared), 0, 0),
                     S::B::descriptor(shared_address(stages.shared), 0, 0), false);
  else
    stages.multiply(0, held, false);
  if (kMistake == Mistake::overwritten) words[int(threadIdx.x) * 4] = 1u;
  if (kMistake != Mistake::no_wait) wgmma_wait<0>();
  out[threadIdx.x] = held[0][0];
}

/// What running a kernel of two warpgroups says; empty where it is content.
template <Mistake kMistake>
std::string complaint() {
  Stream stream(0);
  auto* out = static_cast<float*>(stream.allocate(Place::kThreads * sizeof(float)));
  launch(stream, "mistaken", 1, Place::kThreads, size_t(kSwizzlePiece) + OneStage<true, true>::kStageBytes,
         mistaken_kernel<kMistake>, out);
  try {
    stream.wait();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

void expect_words(const std::string& said, const char* words) {
  check(said.find(words) != std::string::npos, __FILE__, __LINE__, (std::string(words) + ", not: " + said).c_str());
}

void test_complaints() {
  CHECK(complaint<Mistake::none>().empty());
  expect_words(complaint<Mistake::no_fence>(), "no wgmma fence");
  expect_words(complaint<Mistake::no_proxy_fence>(), "no fence to them since");
  expect_words(complaint<Mistake::no_barrier>(), "no barrier between");
  expect_words(complaint<Mistake::no_wait>(), "not waited for");
  expect_words(complaint<Mistake::overwritten>(), "no barrier between");
}

}  // namespace

int main() {
  setenv("GRADFOLD_EMULATED_CAPABILITY", "9.0", 1);
  test_descriptors<true, 128, 64>(64);
  test_descriptors<true, 256, 64>(256);
  test_descriptors<false, 128, 64>(64);
  test_descriptors<false, 256, 64>(256);
  test_descriptors<false, 128, 32>(64);
  test_descriptors<false, 256, 32>(256);
  test_modes();
  Stream stream(0);
  for (const int depth : {64, 37})
    for (const int64_t pad : {0, 3}) {
      test_product<true, true>(stream, depth, pad);
      test_product<true, false>(stream, depth, pad);
      test_product<false, true>(stream, depth, pad);
      test_product<false, false>(stream, depth, pad);
    }
  test_complaints();
  return exit_status();
}
