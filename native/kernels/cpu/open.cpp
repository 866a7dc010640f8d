#include "open.h"

#include <initializer_list>
#include <stdexcept>
#include <string>

#include "cpu_features.h"
#include "product.h"

namespace gradfold {

#ifndef GRADFOLD_BASELINE_ONLY
namespace avx512 {
Device* make_cpu_device(int threads, Type precision, const ProductKind& kind);
}
namespace avx2 {
Device* make_cpu_device(int threads, Type precision, const ProductKind& kind);
}
#endif
namespace baseline {
Device* make_cpu_device(int threads, Type precision, const ProductKind& kind);
}

namespace {

struct Isa {
  const char* name;
  bool supported;  // by this processor and its operating system
  Device* (*make)(int, Type, const ProductKind&);
};

struct Gemm {
  const char* name;
  bool supported;  // for the precision, by this processor
  ProductKind kind;
};

/// The entry that is wanted by name, or the first usable one. Entries stand best first.
template <typename Entry>
Entry choose(const std::string& kind, const char* wanted, std::initializer_list<Entry> entries) {
  std::string names;
  for (const Entry& entry : entries) {
    if (!entry.supported) continue;
    if (wanted == nullptr || entry.name == std::string(wanted)) return entry;
    names += (names.empty() ? "\"" : ", \"") + std::string(entry.name) + "\"";
  }
  throw std::invalid_argument(kind + " \"" + wanted + "\" is not available here; this build and this " +
                              "processor offer " + names);
}

}  // namespace

std::unique_ptr<Device> open_cpu_device(int threads, Type precision, const char* isa, const char* gemm) {
  if (threads < 1) throw std::invalid_argument("threads must be at least 1, not " + std::to_string(threads));
  const Isa chosen_isa =
      choose<Isa>("instruction set", isa,
                  {
#ifndef GRADFOLD_BASELINE_ONLY
                      {"avx512", has_avx512(), avx512::make_cpu_device},
                      {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), avx2::make_cpu_device},
#endif
                      {"baseline", true, baseline::make_cpu_device},
                  });
  const bool bf16 = precision == Type::bf16;
  const Gemm chosen_gemm = choose<Gemm>(
      bf16 ? "bfloat16 matrix product" : "float32 matrix product", gemm,
      {
#ifdef GRADFOLD_TILES
          {"amx",
           bf16 && has_amx(),
           {"AMX", amx::tile_product, 0.3, amx::packed_weight_bytes, amx::pack_weight, amx::packed_weight_product,
            &amx::attention_passes}},
          {"avx512bf16",
           bf16 && has_avx512_bf16(),
           {"AVX512-BF16", avx512bf16::tile_product, 0.5, nullptr, nullptr, nullptr, &avx512bf16::attention_passes}},
#endif
#ifdef GRADFOLD_ONEDNN
          {"onednn", !bf16 || has_avx512_bf16(), {onednn_name(), onednn_product}},
#endif
          {"portable", true, {"portable"}},
#ifdef GRADFOLD_TILES
          {"bf16x6", !bf16 && has_amx(), {"AMX bf16x6", amx::product_x6, 0.65}},
          {"bf16x3", !bf16 && has_amx(), {"AMX bf16x3", amx::product_x3, 0.35}},
#endif
      });
  return std::unique_ptr<Device>(chosen_isa.make(threads, precision, chosen_gemm.kind));
}

}  // namespace gradfold
