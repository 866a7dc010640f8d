#include "network.h"

#include <utility>

namespace gradfold {

Network::Network(Device& device, const TransformerConfig& config, const std::vector<Slot>& slots, bool recompute)
    : device_(device),
      config_(config),
      slots_(slots),
      layout_(slots),
      parameters_(device, layout_.length()),
      backbone_(device, config, layout_, parameters_, recompute),
      arena_(device) {}

Pass Network::begin(const TokenBatch& batch, const Flag* cancelled) {
  batch.check_rows(config_);
  arena_.reset();
  parameters_.refresh();
  Pass pass(device_, arena_, batch, parameters_);
  pass.cancelled = cancelled;
  backbone_.begin(pass);
  return pass;
}

bool Network::grows(int kind, const std::vector<int64_t>& extent) {
  std::vector<int64_t>& largest = largest_[kind];
  largest.resize(extent.size(), -1);
  bool larger = false;
  for (size_t k = 0; k < extent.size(); k++) {
    if (extent[k] <= largest[k]) continue;
    largest[k] = extent[k];
    larger = true;
  }
  return larger;
}

void Network::one_sample(Pass& pass) const {
  pass.token_ranges = ranges_of(pass, {0, static_cast<int32_t>(pass.batch.tokens())});
  pass.prediction_ranges = ranges_of(pass, {0, static_cast<int32_t>(pass.batch.predictions())});
  pass.statistics.weights = pass.arena.table(std::vector<float>{1.0f});
  backbone_.group_rows(pass);
}

Ranges ranges_of(Pass& pass, std::vector<int32_t> begin) {
  const int32_t* on_device = pass.arena.table(begin);
  return {std::move(begin), on_device};
}

std::vector<double> download(Device& device, const double* memory, int64_t count) {
  std::vector<double> values(count);
  device.download(values.data(), memory, values.size() * sizeof(double));
  return values;
}

}  // namespace gradfold
