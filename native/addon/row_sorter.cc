#include "row_sorter.h"

#include <atomic>
#include <exception>
#include <utility>
#include <vector>

#include "../engine/error.h"
#include "../order/places.h"
#include "array_call.h"
#include "convert.h"
#include "guard.h"

namespace gradfold {

using order::RowSorter;

struct RowSorterObject::State {
  std::variant<RowSorter<float>, RowSorter<double>> sorter;
  int64_t window_rows;
  std::atomic<bool> busy{false};

  template <typename Score>
  RowSorter<Score>& of() {
    RowSorter<Score>* same = std::get_if<RowSorter<Score>>(&sorter);
    if (!same) throw Error("INVALID_ARGUMENT", "native call: scores: of another type than the sorter's");
    return *same;
  }
};

namespace {

/// Runs a job of a sorter and settles its promise.
class SorterWorker : public Napi::AsyncWorker {
 public:
  SorterWorker(const Napi::CallbackInfo& info, std::function<double()> work, std::function<void()> done)
      : AsyncWorker(info.Env(), "gradfold.sorter"),
        work_(std::move(work)),
        done_(std::move(done)),
        deferred_(Napi::Promise::Deferred::New(info.Env())),
        self_(Napi::Persistent(info.This().As<Napi::Object>())) {
    for (size_t i = 0; i < info.Length(); ++i) {
      if (info[i].IsTypedArray()) arrays_.push_back(Napi::Persistent(info[i].As<Napi::Object>()));
    }
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      result_ = work_();
    } catch (...) {
      failure_ = std::current_exception();
    }
    done_();
  }

  void OnOK() override {
    if (failure_) return deferred_.Reject(exception_as_error(Env(), failure_).Value());
    deferred_.Resolve(Napi::Number::New(Env(), result_));
  }

 private:
  std::function<double()> work_;
  std::function<void()> done_;
  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference self_;
  std::vector<Napi::ObjectReference> arrays_;
  std::exception_ptr failure_;
  double result_ = 0;
};

}  // namespace

int64_t memory_of(const Napi::Object& options, int64_t n) {
  const int64_t memory = get_size(options, "memory", 0, kMostExact);
  return memory == 0 ? order::kNoLimit : std::max(memory, order::least_memory(n));
}

Napi::Function RowSorterObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeRowSorter",
      {InstanceMethod<&RowSorterObject::count>("count"), InstanceMethod<&RowSorterObject::refine>("refine"),
       InstanceMethod<&RowSorterObject::arrange>("arrange"), InstanceMethod<&RowSorterObject::open>("open"),
       InstanceMethod<&RowSorterObject::collect>("collect"), InstanceMethod<&RowSorterObject::close>("close")});
}

/// {rows, wide, threads, memory}; the written rows of a window count as memory too.
RowSorterObject::RowSorterObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  guarded(info.Env(), [&] {
    const auto options = info[0].As<Napi::Object>();
    const bool wide = get_flag(options, "wide");
    const int64_t rows = get_size(options, "rows", 1, order::kMaxRows);
    const auto threads = static_cast<int>(get_size(options, "threads", 1, kMostThreads));
    const int64_t entry = wide ? sizeof(order::Entry<uint64_t>) : sizeof(order::Entry<uint32_t>);
    const auto limits =
        order::Limits::of(rows, threads, memory_of(options, rows), entry + static_cast<int64_t>(sizeof(uint32_t)));
    using Sorters = std::variant<RowSorter<float>, RowSorter<double>>;
    state_.reset(new State{wide ? Sorters(std::in_place_type<RowSorter<double>>, limits)
                                : Sorters(std::in_place_type<RowSorter<float>>, limits),
                           limits.window});
  });
}

Napi::Value RowSorterObject::run(const Napi::CallbackInfo& info, std::function<double(State&)> work) {
  auto* worker = new SorterWorker(  // deletes itself when done
      info, [state = state_, work = std::move(work)] { return work(*state); },
      [state = state_] { state->busy = false; });
  state_->busy = true;
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

void RowSorterObject::expect(Phase phase) const {
  if (state_->busy) throw Error("INVALID_ARGUMENT", "native call: the sorter is busy");
  if (phase == Phase::kCollecting && !out_.IsEmpty() &&
      out_.Value().As<Napi::Uint32Array>().ElementLength() != out_rows_) {
    throw Error("INVALID_ARGUMENT", "native call: out was transferred");
  }
  if (phase_ != phase) throw Error("INVALID_ARGUMENT", "native call: not what the sorter is ready for");
}

/// count(scores): Promise of the index of the first NaN, or −1
Napi::Value RowSorterObject::count(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    expect(Phase::kCounting);
    return with_floats(info[0], "scores", [&](auto* scores, int64_t n) {
      using Score = std::remove_const_t<std::remove_pointer_t<decltype(scores)>>;
      auto& sorter = state_->of<Score>();
      if (sorter.rows() > order::kMaxRows - n) throw Error("INVALID_ARGUMENT", "native call: too many rows");
      return run(info, [&sorter, scores, n](State&) { return static_cast<double>(sorter.count(scores, n)); });
    });
  });
}

/// refine(): whether all scores have to be counted once more
Napi::Value RowSorterObject::refine(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    expect(Phase::kCounting);
    const bool again = std::visit([](auto& sorter) { return sorter.refine(); }, state_->sorter);
    return Napi::Boolean::New(info.Env(), again);
  });
}

/// arrange({keep, descending}): [first, rows] of every window, flat
Napi::Value RowSorterObject::arrange(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    expect(Phase::kCounting);
    const auto options = info[0].As<Napi::Object>();
    std::vector<double> flat;
    std::visit(
        [&](auto& sorter) {
          const int64_t keep = get_size(options, "keep", 1, sorter.rows());
          sorter.arrange({keep, get_flag(options, "descending")}, state_->window_rows);
          for (const order::Window& window : sorter.windows()) {
            flat.push_back(static_cast<double>(window.first));
            flat.push_back(static_cast<double>(window.rows));
          }
        },
        state_->sorter);
    phase_ = Phase::kArranged;
    return float64_array(info.Env(), flat);
  });
}

/// open(window, layers, out): rows collected from now on go to out, folded by themselves
Napi::Value RowSorterObject::open(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    expect(Phase::kArranged);
    std::visit(
        [&](auto& sorter) {
          const auto windows = static_cast<int64_t>(sorter.windows().size());
          const auto window = static_cast<size_t>(integer_of(info[0], "window", 0, windows - 1));
          const int64_t layers = integer_of(info[1], "layers", 1, order::kMaxRows);
          auto out = typed_array<uint32_t>(info[2], "out");
          const auto [first, rows] = sorter.windows()[window];
          if (static_cast<int64_t>(out.ElementLength()) != rows)
            throw Error("INVALID_ARGUMENT", "native call: out: length");
          sorter.open(window, first, order::FoldedPlaces(rows, layers), out.Data());
          out_rows_ = out.ElementLength();
          out_ = Napi::Persistent(out.template As<Napi::Object>());
        },
        state_->sorter);
    phase_ = Phase::kCollecting;
    return info.Env().Undefined();
  });
}

/// collect(scores, names or undefined, offset): Promise
Napi::Value RowSorterObject::collect(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    expect(Phase::kCollecting);
    return with_floats(info[0], "scores", [&](auto* scores, int64_t n) {
      using Score = std::remove_const_t<std::remove_pointer_t<decltype(scores)>>;
      auto& sorter = state_->of<Score>();
      order::RowNames names{nullptr, static_cast<uint32_t>(integer_of(info[2], "offset", 0, order::kMaxRows))};
      if (!info[1].IsUndefined()) {
        const auto array = typed_array<uint32_t>(info[1], "names");
        if (static_cast<int64_t>(array.ElementLength()) != n)
          throw Error("INVALID_ARGUMENT", "native call: names: length");
        names.names = array.Data();
      }
      return run(info, [&sorter, scores, n, names](State&) {
        sorter.collect(scores, n, names);
        return 0.;
      });
    });
  });
}

/// close(): Promise; the window's rows are in `out` then
Napi::Value RowSorterObject::close(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    expect(Phase::kCollecting);
    phase_ = Phase::kArranged;
    return run(info, [](State& state) {
      std::visit([](auto& sorter) { sorter.close(); }, state.sorter);
      return 0.;
    });
  });
}

}  // namespace gradfold
