// stopwatch.h by the clock of the host, for emulation. Only for tests.
#include "../stopwatch.h"

#include <chrono>
#include <deque>

#include "stream_state.h"

namespace gradfold::cuda {

using Clock = std::chrono::steady_clock;

struct Stopwatch::Marks {
  std::deque<Clock::time_point> at;  // which keeps its places as it grows
};

Stopwatch::Stopwatch(Stream& stream) : stream_(stream), marks_(std::make_unique<Marks>()) {}

Stopwatch::~Stopwatch() {
  try {
    stream_.wait();  // marks that are still to be made
  } catch (const DeviceError&) {
    // a kernel's fault has been told to whoever waited, or nobody wants to know
  }
}

void Stopwatch::lap() {
  Clock::time_point& at = marks_->at.emplace_back();
  enqueue(stream_.state(), [&at] { at = Clock::now(); });
}

std::vector<double> Stopwatch::seconds() {
  stream_.wait();
  std::vector<double> between;
  for (size_t i = 1; i < marks_->at.size(); ++i)
    between.push_back(std::chrono::duration<double>(marks_->at[i] - marks_->at[i - 1]).count());
  return between;
}

}  // namespace gradfold::cuda
