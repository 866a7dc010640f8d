#include "open.h"

#include <initializer_list>
#include <stdexcept>
#include <string>

#include "product.h"

namespace gradfold {

#ifndef GRADFOLD_BASELINE_ONLY
namespace avx512 {
Device* make_cpu_device(int threads, Type precision, Product product, const char* product_name);
}
namespace avx2 {
Device* make_cpu_device(int threads, Type precision, Product product, const char* product_name);
}
#endif
namespace baseline {
Device* make_cpu_device(int threads, Type precision, Product product, const char* product_name);
}

namespace {

struct Isa {
  const char* name;
  bool supported;  // by this processor and its operating system
  Device* (*make)(int, Type, Product, const char*);
};

struct Gemm {
  const char* name;
  Product product;  // null: the portable one of the instruction set
  const char* full_name;
};

/// The entry that is wanted by name, or the first usable one. Entries stand best first.
template <typename Entry, typename Usable>
const Entry& choose(const char* kind, const char* wanted, std::initializer_list<Entry> entries, Usable usable) {
  std::string names;
  for (const Entry& entry : entries) {
    if (!usable(entry)) continue;
    if (wanted == nullptr || entry.name == std::string(wanted)) return entry;
    names += (names.empty() ? "\"" : ", \"") + std::string(entry.name) + "\"";
  }
  throw std::invalid_argument(std::string(kind) + " \"" + wanted + "\" is not available here; this build and this " +
                              "processor offer " + names);
}

}  // namespace

std::unique_ptr<Device> open_cpu_device(int threads, Type precision, const char* isa, const char* gemm) {
  if (threads < 1) throw std::invalid_argument("threads must be at least 1, not " + std::to_string(threads));
  const Isa chosen_isa =
      choose<Isa>("instruction set", isa,
                  {
#ifndef GRADFOLD_BASELINE_ONLY
                      {"avx512",
                       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"),
                       avx512::make_cpu_device},
                      {"avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), avx2::make_cpu_device},
#endif
                      {"baseline", true, baseline::make_cpu_device},
                  },
                  [](const Isa& entry) { return entry.supported; });
  const Gemm chosen_gemm = choose<Gemm>("matrix product", gemm,
                                        {
#ifdef GRADFOLD_ONEDNN
                                            {"onednn", onednn_product, onednn_name()},
#endif
                                            {"portable", nullptr, "portable"},
                                        },
                                        [](const Gemm&) { return true; });
  return std::unique_ptr<Device>(chosen_isa.make(threads, precision, chosen_gemm.product, chosen_gemm.full_name));
}

}  // namespace gradfold
