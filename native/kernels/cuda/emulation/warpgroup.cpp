#include "warpgroup.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "../wgmma_fragment.h"
#include "block.h"

namespace gradfold::emulation {

namespace {

float bf16_number(const unsigned char* at) {
  uint16_t half;
  std::memcpy(&half, at, sizeof half);
  const uint32_t bits = uint32_t{half} << 16;
  float number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

}  // namespace

uint32_t described_byte(uint64_t descriptor, bool transposed, int outer, int inner) {
  const auto field = [&](int first) { return static_cast<uint32_t>(descriptor >> first & 0x3fff) << 4; };
  const uint32_t start = field(0), leading = field(16), stride = field(32);
  // Bytes of a line of a piece, by the code of the swizzle mode.
  static constexpr uint32_t kLine[4] = {16, 128, 64, 32};
  const uint32_t line = kLine[descriptor >> 62];
  const auto o = static_cast<uint32_t>(outer), i = static_cast<uint32_t>(inner);
  uint32_t byte = start;
  if (transposed) {
    // Lines are inner numbers, eight a piece; outer numbers run along them.
    const uint32_t unit = o / 8, units = line / 16;
    const uint32_t across = unit / units, down = i / 8;
    byte += unit % units * 16 + o % 8 * 2 + i % 8 * line;
    byte += line == 16 ? across * stride + down * leading : across * leading + down * stride;
  } else {
    // Lines are outer numbers; the two units of 8 inner numbers are neighbours, or `leading` apart without a swizzle.
    byte += o % 8 * line + o / 8 * stride + i % 8 * 2 + i / 8 * (line == 16 ? leading : 16);
  }
  // The swizzle is one of addresses: bits 4 to 6 change with bits 7 to 9, as many of them as a line has.
  const uint32_t mask = line / 16 - 1;
  return byte ^ (byte >> 7 & mask) << 4;
}

void Block::async_proxy_fence() { ++warpgroup_lanes_[static_cast<size_t>(running_index())].proxy_fences; }

void Block::warpgroup_fence() {
  warp_meets({__FILE__, __LINE__, "wgmma fence"});
  warpgroup_lanes_[static_cast<size_t>(running_index())].fenced = true;
}

void Block::warpgroup_commit() { ++warpgroup_lanes_[static_cast<size_t>(running_index())].committed; }

void Block::warpgroup_multiply(const Site& site, const WarpgroupProduct& product, float* held) {
  warp_meets(site);
  const int index = running_index(), group = index / kWarpgroupThreads;
  if ((group + 1) * kWarpgroupThreads > static_cast<int>(lanes_.size()))
    fail("a warpgroup is four warps from a multiple of four on");
  WarpgroupLane& lane = warpgroup_lanes_[static_cast<size_t>(index)];
  if (!lane.fenced) fail("multiplies with no wgmma fence since registers could be touched");
  std::vector<Warpgroup::Issued>& issued = warpgroups_[static_cast<size_t>(group)].issued;
  if (lane.issued == issued.size())
    issued.push_back({product, nullptr});
  else if (!issued[lane.issued].product.same_as(product))
    fail("multiplies by other descriptors than the rest of its warpgroup");
  const auto count = static_cast<size_t>(product.columns / 2);
  std::vector<float>& numbers = lane.under_way[held];
  if (numbers.empty()) numbers.assign(held, held + count);
  std::fill_n(held, count, std::numeric_limits<float>::quiet_NaN());
  lane.pending.push_back({lane.issued++, held, lane.committed});
}

/// Reads a product's operands, for all threads of the warpgroup.
void Block::read_operands(Warpgroup::Issued& issued) {
  const WarpgroupProduct& product = issued.product;
  issued.operands = std::make_unique<WarpgroupOperands>();
  const auto read = [&](uint64_t descriptor, bool transposed, int outers, std::vector<float>& to) {
    to.resize(static_cast<size_t>(outers * kWarpgroupDepth));
    for (int o = 0; o < outers; ++o)
      for (int i = 0; i < kWarpgroupDepth; ++i) {
        const uint32_t byte = described_byte(descriptor, transposed, o, i);
        if (byte + 2 > shared_used_) fail("multiplies what is not shared memory of its block");
        note_read(shared_.data() + byte, 2, "an operand of the tensor cores");
        check_proxy(byte);
        to[static_cast<size_t>(o * kWarpgroupDepth + i)] = bf16_number(shared_.data() + byte);
      }
  };
  read(product.a, product.transposed_a, kWarpgroupRows, issued.operands->a);
  read(product.b, product.transposed_b, product.columns, issued.operands->b);
}

void Block::warpgroup_wait(int groups_left) {
  warp_meets({__FILE__, __LINE__, "wgmma wait"});
  const int index = running_index();
  WarpgroupLane& lane = warpgroup_lanes_[static_cast<size_t>(index)];
  lane.fenced = false;
  const auto arrives = [&](const WarpgroupLane::Pending& one) { return one.group < lane.committed - groups_left; };
  for (const WarpgroupLane::Pending& one : lane.pending) {
    if (!arrives(one)) continue;
    Warpgroup::Issued& issued = warpgroups_[static_cast<size_t>(index / kWarpgroupThreads)].issued[one.product];
    if (!issued.operands) read_operands(issued);
    std::vector<float>& numbers = lane.under_way[one.held];
    const float *a = issued.operands->a.data(), *b = issued.operands->b.data();
    for (int i = 0; i < issued.product.columns / 2; ++i) {
      const int t = index % kWarpgroupThreads;
      const float* row = a + cuda::WarpgroupFragment::row(t, i) * kWarpgroupDepth;
      const float* col = b + cuda::WarpgroupFragment::col(t, i) * kWarpgroupDepth;
      float sum = issued.product.adds ? numbers[static_cast<size_t>(i)] : 0.0f;
      for (int k = 0; k < kWarpgroupDepth; ++k) sum += row[k] * col[k];
      numbers[static_cast<size_t>(i)] = sum;
    }
  }
  lane.pending.erase(std::remove_if(lane.pending.begin(), lane.pending.end(), arrives), lane.pending.end());
  for (auto done = lane.under_way.begin(); done != lane.under_way.end();) {
    const bool waits = std::any_of(lane.pending.begin(), lane.pending.end(),
                                   [&](const WarpgroupLane::Pending& one) { return one.held == done->first; });
    if (waits) {
      ++done;
      continue;
    }
    std::copy(done->second.begin(), done->second.end(), done->first);
    done = lane.under_way.erase(done);
  }
}

}  // namespace gradfold::emulation
