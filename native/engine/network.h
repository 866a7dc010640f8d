// What every network is: parameters in the layout of a checkpoint, a backbone over them, and an arena for its passes.
#pragma once

#include <atomic>
#include <map>
#include <vector>

#include "backbone.h"

namespace gradfold {

class Network {
 public:
  using Flag = std::atomic<bool>;

  Network(Device& device, const TransformerConfig& config, const std::vector<Slot>& slots, bool recompute);
  virtual ~Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// The live parameters.
  ParameterMemory& parameters() { return parameters_; }
  const TransformerConfig& config() const { return config_; }
  const std::vector<Slot>& slots() const { return slots_; }
  /// Whether backward computes activations again (backbone.h).
  bool recomputes() const { return backbone_.recomputes(); }
  /// Largest number of bytes that a pass so far has taken for its tables, activations and gradients.
  size_t activation_bytes() const { return arena_.peak(); }
  /// Makes the arena one piece of at least this size before the next pass.
  void reserve(size_t bytes) { arena_.reserve(bytes); }
  /// Whether a pass of this kind is larger in any extent than those asked about before; remembers it.
  bool grows(int kind, const std::vector<int64_t>& extent);
  const Device& device() const { return device_; }

 protected:
  /// A pass with the batch's tables on the device and everything taken before forgotten.
  Pass begin(const TokenBatch& batch, const Flag* cancelled);
  /// Counts the whole batch as one sample of weight 1: the same kernels then do plain products.
  void one_sample(Pass& pass) const;

  Device& device_;
  TransformerConfig config_;
  std::vector<Slot> slots_;
  Layout layout_;
  ParameterMemory parameters_;
  Backbone backbone_;
  Arena arena_;

 private:
  std::map<int, std::vector<int64_t>> largest_;  // extents by kind of pass
};

/// Division of tokens or predictions into samples, its table on the device.
Ranges ranges_of(Pass& pass, std::vector<int32_t> begin);

/// A table of float64 numbers back in ordinary memory.
std::vector<double> download(Device& device, const double* memory, int64_t count);

}  // namespace gradfold
