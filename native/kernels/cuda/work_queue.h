// Work on its way to a device: handed over piece by piece, or, where it is what it was before, as one CUDA graph.
//
// A step of training enqueues the same hundreds of kernels as the step before. The queue notes what is enqueued between
// two moments at which the host waits. What comes a second time becomes a graph; from then on works that begin like a
// graph are held back as long as they go on like it, and at the end the graph runs instead of them. Every piece has
// been compared by then, with its pointers, extents and arguments, so that a graph computes what its works would have,
// bit for bit, and needs no rules about what may change between steps: works that differ run as they came. Content of
// uploads differs freely, and a quarter of the kernels may have other arguments, which the graph is given.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "staging.h"
#include "stream_calls.h"

namespace gradfold::cuda {

class WorkQueue {
 public:
  /// graphs: whether there are to be any.
  WorkQueue(Stream& stream, StreamCalls& calls, bool graphs);
  ~WorkQueue();

  /// Enqueues a piece; content: its arguments, or what it uploads, work.bytes of them; null for copies and zeros.
  void add(Work work, const void* content);
  /// Hands over what is held back. Throws what handing over threw, also if that was in settle_quietly.
  void settle();
  /// The same on behalf of someone who cannot be told.
  void settle_quietly() noexcept;
  /// Gives memory back after everything added so far.
  void release(void* memory) noexcept;

  /// Graphs that were made, and how often one ran.
  int64_t made() const { return made_; }
  int64_t launched() const { return launched_; }

 private:
  /// Works from which on a graph is worth it, works of the longest, bytes that its uploads may have; graphs and traces
  /// that are kept.
  static constexpr size_t kFewest = 8, kMost = 16384, kMostContent = size_t{1} << 20, kGraphs = 16, kTraces = 4;

  struct Kept {
    Trace trace;
    char* pinned;
    std::unique_ptr<Graph> graph;
    std::unique_ptr<Stream::Event> read;  // after the last run: its uploads are done
    int64_t used;                         // when it last ran
    std::vector<size_t> changed;          // works of the trace being added that have other arguments
    bool fits;                            // the trace being added goes on like it
  };

  void begin();
  void narrow();
  void hand_over();
  bool run_graph();
  void remember();
  void make_graph();
  void drop(size_t index);
  void issue(const Work& work, const void* content);
  void end() noexcept;

  Stream& stream_;
  StreamCalls& calls_;
  Staging staging_;
  std::recursive_mutex mutex_;
  Trace trace_;
  bool holds_ = false;      // nothing of the trace has been handed over
  bool wanted_;             // graphs
  bool recordable_ = true;  // the trace may become one
  std::vector<Kept> graphs_;
  std::deque<Trace> seen_;
  std::vector<void*> released_;
  std::string failure_;
  int64_t made_ = 0, launched_ = 0;
};

}  // namespace gradfold::cuda
