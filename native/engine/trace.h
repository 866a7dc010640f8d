// What a gradient pass computed of a batch, for dual passes over the same batch at the same parameters: they then form
// tangents alone where a product would have to be repeated.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arena.h"
#include "batch.h"
#include "pass.h"

namespace gradfold {

/// How much is kept: what a JVP repeats, or what the backward half of a dual pass repeats as well.
enum class Keep { nothing, activations, gradients };

/// Values lie in memory that is handed out by a moving pointer, so a dual pass that takes in the same order what the
/// gradient pass took finds them in their places. One trace is there at a time; its memory stays for the next.
class Trace {
 public:
  /// What a dual pass must know of the pass that was kept.
  struct Of {
    TokenBatch batch;
    std::vector<double> weights;     // [samples]
    std::vector<double> parameters;  // their fingerprint
    Keep keep;
  };

  explicit Trace(Device& device) : arena_(device) {}

  /// Makes sure of the memory of a trace to come; none is held.
  void reserve(size_t bytes) { arena_.reserve(bytes); }
  /// Largest number of bytes that a trace so far has taken.
  size_t peak() const { return arena_.peak(); }

  void forget() { of_.reset(); }
  /// The same if it is this trace that is there.
  void forget(int64_t number) {
    if (number == number_) forget();
  }
  /// Whether there is one.
  bool held() const { return of_.has_value(); }
  /// Lets a dual pass that has no trace take its activations here while none is held: beside both kinds of dual passes
  /// a model then needs no more memory than for one.
  void lend(Pass& pass);

  /// Has a plain pass keep its values.
  void keep(Pass& pass, Keep what);
  /// Says that this pass came to its end. Returns the trace's number.
  int64_t complete(Of of);

  /// The pass that a trace is of; throws DISPOSED where another has taken its place, or none has.
  const Of& of(int64_t number) const;
  /// Has a dual pass find the values there.
  void recall(Pass& pass);
  /// To be called when a dual pass with both its halves came to its end.
  void check_recalled() const;

 private:
  Arena arena_;
  std::optional<Of> of_;
  int64_t number_ = 0;
  size_t bytes_ = 0;
};

}  // namespace gradfold
