#include "work_queue.h"

#include <algorithm>
#include <cstring>

namespace gradfold::cuda {

namespace {

enum class Match { same, changed, other };

/// How work i of a trace compares with that of another.
Match compare(const Trace& a, const Trace& b, size_t i) {
  const Work &x = a.works[i], &y = b.works[i];
  if (x.kind != y.kind || x.function != y.function || x.owner != y.owner || x.to != y.to || x.from != y.from ||
      x.bytes != y.bytes || x.at != y.at)
    return Match::other;
  if (x.kind != Work::Kind::kernel && x.kind != Work::Kind::library) return Match::same;
  const bool same = std::equal(x.grid, x.grid + 3, y.grid) && std::equal(x.block, x.block + 3, y.block) &&
                    x.shared == y.shared &&
                    std::memcmp(a.arguments.data() + x.at, b.arguments.data() + y.at, x.bytes) == 0;
  return same ? Match::same : x.kind == Work::Kind::kernel ? Match::changed : Match::other;
}

/// Kernels of a graph that may be given other arguments: beyond that it is other work.
size_t most_changed(const Trace& trace) { return trace.works.size() / 4; }

bool alike(const Trace& a, const Trace& b) {
  if (a.works.size() != b.works.size()) return false;
  size_t changed = 0;
  for (size_t i = 0; i < a.works.size(); ++i) {
    const Match match = compare(a, b, i);
    if (match == Match::other) return false;
    if (match == Match::changed && ++changed > most_changed(a)) return false;
  }
  return true;
}

}  // namespace

WorkQueue::WorkQueue(Stream& stream, StreamCalls& calls, bool graphs)
    : stream_(stream), calls_(calls), staging_(stream, calls), wanted_(graphs) {}

WorkQueue::~WorkQueue() {
  settle_quietly();
  while (!graphs_.empty()) drop(graphs_.size() - 1);
}

void WorkQueue::add(Work work, const void* content) {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (trace_.works.empty()) begin();
  const bool upload = work.kind == Work::Kind::upload;
  recordable_ =
      recordable_ && trace_.works.size() < kMost && trace_.content_bytes + (upload ? work.bytes : 0) <= kMostContent;
  if (!recordable_) {
    hand_over();
    return issue(work, content);
  }
  std::vector<std::byte>& kept = upload ? trace_.content : trace_.arguments;
  work.at = upload ? trace_.content_bytes : trace_.arguments.size();
  if (upload) trace_.content_bytes += aligned_bytes(work.bytes);
  if (content != nullptr && (!upload || holds_)) {
    kept.resize(work.at + aligned_bytes(work.bytes));
    std::memcpy(kept.data() + work.at, content, work.bytes);
  }
  trace_.works.push_back(work);
  if (holds_)
    narrow();
  else
    issue(trace_.works.back(), content);
}

/// Before the first piece of a trace.
void WorkQueue::begin() {
  recordable_ = wanted_;
  holds_ = wanted_ && !graphs_.empty();
  for (Kept& one : graphs_) {
    one.fits = true;
    one.changed.clear();
  }
}

/// Leaves out the graphs that the last piece is not like; hands over where that were all.
void WorkQueue::narrow() {
  const size_t i = trace_.works.size() - 1;
  bool any = false;
  for (Kept& one : graphs_) {
    if (!one.fits) continue;
    const Match match = i < one.trace.works.size() ? compare(trace_, one.trace, i) : Match::other;
    if (match == Match::changed) one.changed.push_back(i);
    one.fits = match != Match::other && one.changed.size() <= most_changed(one.trace);
    any = any || one.fits;
  }
  if (!any) hand_over();
}

/// Hands over what was held back, piece by piece.
void WorkQueue::hand_over() {
  if (!holds_) return;
  holds_ = false;
  for (const Work& work : trace_.works)
    issue(work, (work.kind == Work::Kind::upload ? trace_.content : trace_.arguments).data() + work.at);
}

void WorkQueue::issue(const Work& work, const void* content) {
  if (work.kind == Work::Kind::upload) return staging_.copy_in(work.to, content, work.bytes);
  calls_.issue(work, static_cast<const std::byte*>(content));
}

/// Runs the graph that the whole trace is like; false where there is none, or the device will not.
bool WorkQueue::run_graph() {
  Kept* best = nullptr;
  for (Kept& one : graphs_)
    if (one.fits && one.trace.works.size() == trace_.works.size() &&
        (best == nullptr || one.changed.size() < best->changed.size()))
      best = &one;
  if (best == nullptr) return false;
  try {
    if (trace_.content_bytes > 0) {
      best->read->wait();
      std::memcpy(best->pinned, trace_.content.data(), trace_.content_bytes);
    }
    for (const size_t i : best->changed) best->graph->change(i, trace_);
    best->graph->launch();
  } catch (const DeviceError&) {
    wanted_ = false;  // the works run as they came, and so will all others
    return false;
  }
  best->read->record();
  std::swap(best->trace, trace_);
  best->used = ++launched_;
  return true;
}

/// After a trace that ran piece by piece: what has come before becomes a graph.
void WorkQueue::remember() {
  if (!wanted_ || !recordable_ || trace_.works.size() < kFewest) return;
  const auto before = std::find_if(seen_.begin(), seen_.end(), [&](const Trace& one) { return alike(one, trace_); });
  if (before != seen_.end()) {
    seen_.erase(before);
    return make_graph();
  }
  trace_.content.clear();
  seen_.push_back(std::move(trace_));
  if (seen_.size() > kTraces) seen_.pop_front();
}

void WorkQueue::make_graph() {
  if (graphs_.size() == kGraphs) {
    const auto oldest =
        std::min_element(graphs_.begin(), graphs_.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
    drop(static_cast<size_t>(oldest - graphs_.begin()));
  }
  char* pinned = nullptr;
  try {
    pinned = static_cast<char*>(stream_.allocate_pinned(std::max<size_t>(trace_.content_bytes, 1)));
    auto graph = calls_.make_graph(trace_, pinned);
    auto read = std::make_unique<Stream::Event>(stream_);
    graphs_.push_back({std::move(trace_), pinned, std::move(graph), std::move(read), launched_, {}, false});
    ++made_;
  } catch (const DeviceError&) {
    if (pinned) stream_.release_pinned(pinned);
    wanted_ = false;
  }
}

void WorkQueue::drop(size_t index) {
  Kept& one = graphs_[index];
  try {
    one.read->wait();
  } catch (const DeviceError&) {
    // whoever waits for results is told
  }
  one.graph.reset();
  stream_.release_pinned(one.pinned);
  graphs_.erase(graphs_.begin() + static_cast<std::ptrdiff_t>(index));
}

void WorkQueue::settle() {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (!failure_.empty()) {
    const std::string failure = std::move(failure_);
    failure_.clear();
    end();
    throw DeviceError(failure);
  }
  try {
    const bool ran = holds_ && run_graph();
    if (!ran) {
      hand_over();
      remember();
    }
  } catch (...) {
    end();
    throw;
  }
  end();
}

/// After the last piece of a trace.
void WorkQueue::end() noexcept {
  trace_.clear();
  holds_ = false;
  for (void* memory : released_) calls_.release(memory);
  released_.clear();
}

void WorkQueue::settle_quietly() noexcept {
  try {
    settle();
  } catch (const std::exception& error) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    failure_ = error.what();
  }
}

void WorkQueue::release(void* memory) noexcept {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (holds_ && !trace_.works.empty())
    released_.push_back(memory);
  else
    calls_.release(memory);
}

}  // namespace gradfold::cuda
