// Sums of key and value gradients over the queries of a segment and the query heads of a group.
//
// A thread adds up one (segment, key head) pair after another in float32 scratch. A pair whose tasks are all its own it
// writes to the gradients at once. A pair cut between threads stays in their scratch: after a barrier the parts are
// added in the order of the threads. Equal shapes and thread counts give equal bits either way.
#pragma once

#include <omp.h>

#include "attention_arithmetic.h"

namespace gradfold::GRADFOLD_ISA {

/// One thread's sums for kMatrices gradients shaped like qkv.
template <int kMatrices>
class ThreadSums {
 public:
  /// Sums of a pair, in groups of kSumKeys of the segment's tokens.
  struct Sums {
    float *keys, *values;
  };

  ThreadSums(const AttentionShape& shape, Scratch& scratch) : width_(operand_width(shape)) {
    shared_ = scratch.take<Shared>(1);
    lines_ = scratch.take<float>(kLanes * width_);
    const int64_t size = (round_up(shape.longest, kSumKeys) + kSumMargin) * width_;
    for (auto& slot : slots_)
      for (Sums& sums : slot) sums = {scratch.take<float>(size), scratch.take<float>(size)};
  }

  /// To be called by each thread before its first task.
  void start() { *shared_ = {-1, -1}; }

  /// The sums that a task adds to, zeroed at the thread's first task of the pair.
  const Sums* of(const AttentionShape& shape, const Task& task) {
    const int64_t pair = task.segment * shape.kv_heads + task.kv_head;
    if (pair == pair_) return slots_[slot_];
    pair_ = pair;
    slot_ = task.first_of_pair ? kBegun : kContinued;
    (task.first_of_pair ? shared_->begun : shared_->continued) = pair;
    for (const Sums& sums : slots_[slot_])
      for (int64_t i = 0; i < groups_of(task.length) * kSumKeys * width_; ++i) sums.keys[i] = sums.values[i] = 0.0f;
    return slots_[slot_];
  }

  /// To be called after each task: writes the sums of a pair that has been all this thread's.
  template <class T>
  void finish(const AttentionShape& shape, const Task& task, const View<T> (&gradients)[kMatrices]) {
    if (!task.last_of_pair || slot_ != kBegun) return;
    shared_->begun = -1;
    for (int64_t group = 0; group < groups_of(task.length); ++group)
      put(shape, task.kv_head, {task.begin, task.begin + task.length}, group, gradients, lines_);
  }

  static int64_t groups_of(int64_t tokens) { return ceil_div(tokens, kSumKeys); }

  /// The pair that this thread began and others continue, or −1.
  int64_t begun() const { return shared_->begun; }

  /// Adds another thread's part of the pair that this one began, if it has one; for one group.
  void add(const ThreadSums& other, int64_t group) const {
    if (other.shared_->continued != begun()) return;
    const int64_t size = kSumKeys * width_, first = group * size;
    for (int which = 0; which < kMatrices; ++which) {
      const Sums &to = slots_[kBegun][which], &from = other.slots_[kContinued][which];
      for (int64_t i = first; i < first + size; ++i) to.keys[i] += from.keys[i];
      for (int64_t i = first; i < first + size; ++i) to.values[i] += from.values[i];
    }
  }

  /// Writes the sums of the pair that this thread began to the gradients of its segment; for one group. lines: the
  /// calling thread's.
  template <class T>
  void put(const AttentionShape& shape, int64_t kv_head, Range segment, int64_t group,
           const View<T> (&gradients)[kMatrices], float* lines) const {
    const int64_t first = group * kSumKeys, tokens = least(kSumKeys, segment.size() - first);
    for (int which = 0; which < kMatrices; ++which) {
      const Sums& sums = slots_[kBegun][which];
      const auto put_columns = [&](const float* from, int64_t column) {
        const float* rows = sum_rows(from + first * width_, width_, lines);
        for (int64_t t = 0; t < tokens; ++t)
          put_row(rows + t * width_, 1.0f, gradients[which].row(segment.begin + first + t) + column, shape.head_dim);
      };
      put_columns(sums.keys, key_column(shape, kv_head));
      put_columns(sums.values, value_column(shape, kv_head));
    }
  }

  float* lines() const { return lines_; }

 private:
  enum { kBegun, kContinued };
  struct Shared {              // what other threads read after the barrier
    int64_t begun, continued;  // pairs that others have a part of, or −1
  };

  int64_t width_, pair_ = -1;
  int slot_ = kBegun;
  Sums slots_[2][kMatrices];
  float* lines_;
  Shared* shared_;
};

/// Writes the sums of the pairs that were cut between threads; sums_of(thread) gives a thread's sums. Called by all
/// threads of a team after a barrier.
template <class T, int kMatrices, class SumsOf>
static inline void put_cut_pairs(const AttentionShape& shape, const View<T> (&gradients)[kMatrices], SumsOf sums_of) {
  const int team = omp_get_num_threads();
  float* const lines = sums_of(omp_get_thread_num()).lines();
  for (int owner = 0; owner < team; ++owner) {
    const ThreadSums<kMatrices> sums = sums_of(owner);
    const int64_t pair = sums.begun();
    if (pair < 0) continue;
    const int32_t* begin = shape.begin + pair / shape.kv_heads;
    const Range segment{begin[0], begin[1]};
    const int64_t groups = ThreadSums<kMatrices>::groups_of(segment.size());
    // Equal loops give a thread equal groups, so it needs no barrier between them.
    for (int other = owner + 1; other < team; ++other) {
      const ThreadSums<kMatrices> part = sums_of(other);
#pragma omp for schedule(static) nowait
      for (int64_t group = 0; group < groups; ++group) sums.add(part, group);
    }
#pragma omp for schedule(static) nowait
    for (int64_t group = 0; group < groups; ++group)
      sums.put(shape, pair % shape.kv_heads, segment, group, gradients, lines);
  }
}

}  // namespace gradfold::GRADFOLD_ISA
