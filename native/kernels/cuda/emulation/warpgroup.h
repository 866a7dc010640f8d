// The warpgroup's matrix instruction as the PTX manual (ISA 8.x, "Asynchronous Warpgroup Level Matrix
// Multiply-Accumulate Operations") has it: descriptors, swizzles, fragments, and the order that fences and waits make.
// Only for tests.
//
// A product is computed when it is waited for, out of what shared memory holds then; until that its accumulators are
// NaN. Operands that are written meanwhile, and results that are read early, give wrong numbers or a Fault.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace gradfold::emulation {

constexpr int kWarpgroupThreads = 128, kWarpgroupRows = 64, kWarpgroupDepth = 16;

/// One instruction: d [64 × columns] = a b, plus d where `adds`. transposed: outer numbers run along lines
/// ("MN-major").
struct WarpgroupProduct {
  int columns;
  bool transposed_a, transposed_b;
  uint64_t a, b;  // descriptors
  bool adds;

  bool same_as(const WarpgroupProduct& other) const {
    return columns == other.columns && transposed_a == other.transposed_a && transposed_b == other.transposed_b &&
           a == other.a && b == other.b && adds == other.adds;
  }
};

/// The byte of shared memory where a descriptor has 16-bit number (outer, inner) of its tile.
uint32_t described_byte(uint64_t descriptor, bool transposed, int outer, int inner);

/// Operands of a product, read once for all threads of the warpgroup.
struct WarpgroupOperands {
  std::vector<float> a, b;  // [64 × 16], [columns × 16]
};

/// What a warpgroup has issued, in order; its threads issue and wait one after another.
struct Warpgroup {
  struct Issued {
    WarpgroupProduct product;
    std::unique_ptr<WarpgroupOperands> operands;  // from the first thread's wait on
  };
  std::vector<Issued> issued;
};

/// The products that one thread has under way.
struct WarpgroupLane {
  struct Pending {
    size_t product;  // of Warpgroup::issued
    float* held;
    int group;
  };
  std::vector<Pending> pending;
  std::map<float*, std::vector<float>> under_way;  // numbers of accumulators that the tensor cores have
  size_t issued = 0;
  int committed = 0;
  bool fenced = false;  // since registers may have been touched
  uint32_t proxy_fences = 0;
};

}  // namespace gradfold::emulation
