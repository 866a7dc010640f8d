// Sums of key and value gradients over the queries of a segment and the query heads of a group.
//
// A thread adds up one (segment, key head) pair after another in float32 scratch. A pair whose tasks are all its own it
// writes to the gradients at once. A pair cut between threads stays in their scratch: after a barrier the parts are
// added in the order of the threads. Equal shapes and thread counts give equal bits either way.
#pragma once

#include <omp.h>

#include "attention_operands.h"

namespace gradfold::GRADFOLD_ISA {

/// One thread's sums for kMatrices gradients shaped like qkv.
template <int kMatrices>
class ThreadSums {
 public:
  /// Sums of a pair: rows of `width` numbers, the segment's tokens and kTileRows − 1 more.
  struct Sums {
    float *keys, *values;
  };

  ThreadSums(const AttentionShape& shape, Scratch& scratch) : width_(operand_width(shape)) {
    shared_ = scratch.take<Shared>(1);
    const int64_t size = (shape.longest + kTileRows - 1) * width_;
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
      for (int64_t i = 0; i < task.length * width_; ++i) sums.keys[i] = sums.values[i] = 0.0f;
    return slots_[slot_];
  }

  /// To be called after each task: writes the sums of a pair that has been all this thread's.
  template <class T>
  void finish(const AttentionShape& shape, const Task& task, const View<T> (&gradients)[kMatrices]) {
    if (!task.last_of_pair || slot_ != kBegun) return;
    shared_->begun = -1;
    for (int64_t t = 0; t < task.length; ++t) put(shape, task.kv_head, t, task.begin + t, gradients);
  }

  /// The pair that this thread began and others continue, or −1.
  int64_t begun() const { return shared_->begun; }

  /// Adds another thread's part of the pair that this one began, if it has one; for one token.
  void add(const ThreadSums& other, int64_t t) const {
    if (other.shared_->continued != begun()) return;
    for (int which = 0; which < kMatrices; ++which) {
      const Sums &to = slots_[kBegun][which], &from = other.slots_[kContinued][which];
      for (int64_t i = t * width_; i < (t + 1) * width_; ++i) to.keys[i] += from.keys[i];
      for (int64_t i = t * width_; i < (t + 1) * width_; ++i) to.values[i] += from.values[i];
    }
  }

  /// Writes the sums of the pair that this thread began to row `token` of the gradients; for one token.
  template <class T>
  void put(const AttentionShape& shape, int64_t kv_head, int64_t t, int64_t token,
           const View<T> (&gradients)[kMatrices]) const {
    for (int which = 0; which < kMatrices; ++which) {
      const Sums& sums = slots_[kBegun][which];
      T* row = gradients[which].row(token);
      put_row(sums.keys + t * width_, 1.0f, row + key_column(shape, kv_head), shape.head_dim);
      put_row(sums.values + t * width_, 1.0f, row + value_column(shape, kv_head), shape.head_dim);
    }
  }

 private:
  enum { kBegun, kContinued };
  struct Shared {              // what other threads read after the barrier
    int64_t begun, continued;  // pairs that others have a part of, or −1
  };

  int64_t width_, pair_ = -1;
  int slot_ = kBegun;
  Sums slots_[2][kMatrices];
  Shared* shared_;
};

/// Writes the sums of the pairs that were cut between threads; sums_of(thread) gives a thread's sums. Called by all
/// threads of a team after a barrier.
template <class T, int kMatrices, class SumsOf>
static inline void put_cut_pairs(const AttentionShape& shape, const View<T> (&gradients)[kMatrices], SumsOf sums_of) {
  const int team = omp_get_num_threads();
  for (int owner = 0; owner < team; ++owner) {
    const ThreadSums<kMatrices> sums = sums_of(owner);
    const int64_t pair = sums.begun();
    if (pair < 0) continue;
    const int64_t begin = shape.begin[pair / shape.kv_heads], length = shape.begin[pair / shape.kv_heads + 1] - begin;
    // Equal loops give a thread equal tokens, so it needs no barrier between them.
    for (int other = owner + 1; other < team; ++other) {
      const ThreadSums<kMatrices> part = sums_of(other);
#pragma omp for schedule(static) nowait
      for (int64_t t = 0; t < length; ++t) sums.add(part, t);
    }
#pragma omp for schedule(static) nowait
    for (int64_t t = 0; t < length; ++t) sums.put(shape, pair % shape.kv_heads, t, begin + t, gradients);
  }
}

}  // namespace gradfold::GRADFOLD_ISA
