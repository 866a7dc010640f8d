#include "order.h"

#include <cstdint>

#include "../order/sort_rows.h"
#include "array_call.h"
#include "objects.h"
#include "row_sorter.h"

namespace gradfold {
namespace {

/// sortRows(scores, {descending, keep, layers, threads, memory})
ArrayCall<uint32_t> read_sort_rows(const Napi::CallbackInfo& info) {
  return with_floats(info[0], "scores", [&](auto* scores, int64_t n) {
    const auto given = info[1].As<Napi::Object>();
    order::SortOptions options;
    options.descending = get_flag(given, "descending");
    options.keep = get_size(given, "keep", 0, n);
    options.layers = get_size(given, "layers", 1, order::kMaxRows);
    options.threads = static_cast<int>(get_size(given, "threads", 1, kMostThreads));
    options.memory = memory_of(given, n);
    return ArrayCall<uint32_t>{
        size_t(options.keep), {}, [=](uint32_t* rows) { return order::sort_rows(scores, n, options, rows); }};
  });
}

/// createRowSorter({rows, wide, threads, memory})
Napi::Value create_row_sorter(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Environment>()->row_sorter.New({info[0]});
}

}  // namespace

void register_order(Napi::Env env, Napi::Object exports) {
  export_array_call<uint32_t, read_sort_rows>(env, exports, "sortRows");
  env.GetInstanceData<Environment>()->row_sorter = Napi::Persistent(RowSorterObject::define(env));
  exports["createRowSorter"] = Napi::Function::New<create_row_sorter>(env, "createRowSorter");
}

}  // namespace gradfold
