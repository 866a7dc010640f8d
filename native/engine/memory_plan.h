// How much memory an operation takes, found by running it on a device that only counts.
#pragma once

#include <vector>

#include "language_model.h"

namespace gradfold {

enum class Operation { loss, logits, backward, jvp, hvp };

/// Bytes; vectors of parameters other than the model's own are the caller's.
struct MemoryPlan {
  size_t parameters;   // the model's own, and their forms prepared for products
  size_t activations;  // everything of one pass
  size_t trace;        // what it keeps or finds kept
  size_t workspace;    // the threads' scratch, about
};

/// The request's pointers say what is wanted, but nothing is read or written through them. Of a JVP or Hessian product
/// only `keep` and weights are looked at: whether a trace of its gradient pass is there.
MemoryPlan plan_memory(const LanguageModel& model, const TokenBatch& batch, Operation operation,
                       const BackwardRequest& request);

/// Gives the model an arena that the operation fits into in one piece, where it has none: an arena that grows as it
/// goes takes up to half as much again, and its parts must be touched anew once they are joined.
void reserve_memory(LanguageModel& model, const TokenBatch& batch, Operation operation, const BackwardRequest& request);

}  // namespace gradfold
