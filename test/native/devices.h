// The devices that the kernel tests run on: every instruction set and product of the CPU that this build and this
// processor have; or, with GRADFOLD_TEST_CUDA, the CUDA device (or its emulation) that the program is linked with.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef GRADFOLD_TEST_CUDA
#include "../../native/kernels/cuda/open.h"
#else
#include "../../native/kernels/cpu/open.h"
#endif

namespace gradfold::test {

struct Opened {
  std::string name;
  std::unique_ptr<Device> device;
};

#ifdef GRADFOLD_TEST_CUDA

/// Thread counts to test with: a CUDA device has none.
inline std::vector<int> teams() { return {1}; }

inline std::vector<Opened> open_all(int, Type precision) {
  std::vector<Opened> all;
  std::unique_ptr<Device> device = open_cuda_device(0, precision);
  const std::string name = std::string(device->isa()) + " " + device->gemm();
  all.push_back({name, std::move(device)});
  return all;
}

/// No CPU device, so none with tiles of its own.
inline std::vector<Opened> open_tiled(int) { return {}; }

inline void for_each_device(int, const std::function<void(Device&, const std::string&)>& test) {
  static const std::vector<Opened> opened = open_all(1, Type::f32);
  for (const Opened& one : opened) test(*one.device, one.name);
}

#else

/// Thread counts to test with.
inline std::vector<int> teams() { return {1, 3}; }

/// Every product of a precision that this build and this processor have; a library's on one instruction set alone.
inline std::vector<Opened> open_all(int threads, Type precision) {
  std::vector<Opened> all;
  const auto open = [&](const char* isa, const char* gemm) {
    try {
      std::unique_ptr<Device> device = open_cpu_device(threads, precision, isa, gemm);
      const std::string name = std::string(device->isa()) + " " + gemm + " " + std::to_string(threads) + " threads";
      all.push_back({name, std::move(device)});
    } catch (const std::invalid_argument&) {
      // not in this build, or not on this processor
    }
  };
  for (const char* gemm : {"amx", "avx512bf16", "onednn", "bf16x6", "bf16x3"}) open(nullptr, gemm);
  for (const char* isa : {"avx512", "avx2", "baseline"}) open(isa, "portable");
  return all;
}

/// The devices whose bfloat16 kernels work on tiles (native/kernels/cpu/tiles.h), where there are any.
inline std::vector<Opened> open_tiled(int threads) {
  std::vector<Opened> found;
  for (Opened& one : open_all(threads, Type::bf16))
    for (const char* gemm : {" amx ", " avx512bf16 "})
      if (one.device && one.name.find(gemm) != std::string::npos) found.push_back(std::move(one));
  return found;
}

/// Calls test(device, name) for every instruction set and product of this build that this processor has.
inline void for_each_device(int threads, const std::function<void(Device&, const std::string&)>& test) {
  for (const char* isa : {"avx512", "avx2", "baseline"})
    for (const char* gemm : {"onednn", "portable"}) {
      std::unique_ptr<Device> device;
      try {
        device = open_cpu_device(threads, Type::f32, isa, gemm);
      } catch (const std::invalid_argument&) {
        continue;  // not in this build, or not on this processor
      }
      test(*device, std::string(isa) + " " + gemm + " " + std::to_string(threads) + " threads");
    }
}

#endif

}  // namespace gradfold::test
