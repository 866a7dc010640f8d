#include "cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gradfold {

#if defined(__x86_64__)
namespace {

/// Registers of cpuid leaf 7.
struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  explicit Leaf(unsigned subleaf) { __get_cpuid_count(7, subleaf, &eax, &ebx, &ecx, &edx); }
};

constexpr unsigned bit(int index) { return 1u << index; }

bool may_use_tiles() {
#ifdef __linux__
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512_bf16() {
  static const bool has = has_avx512() && (Leaf(1).eax & bit(5)) != 0;
  return has;
}

bool has_amx() {
  constexpr unsigned kAmxBf16 = bit(22), kAmxTile = bit(24);
  static const bool has =
      has_avx512_bf16() && (Leaf(0).edx & (kAmxBf16 | kAmxTile)) == (kAmxBf16 | kAmxTile) && may_use_tiles();
  return has;
}
#else
bool has_avx512() { return false; }
bool has_avx512_bf16() { return false; }
bool has_amx() { return false; }
#endif

}  // namespace gradfold
