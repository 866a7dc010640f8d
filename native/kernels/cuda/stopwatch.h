// Time on the device between moments of a stream: stopwatch.cu has it by CUDA events, emulation/stopwatch.cpp by the
// host's clock.
#pragma once

#include <memory>
#include <vector>

#include "runtime.h"

namespace gradfold::cuda {

class Stopwatch {
 public:
  explicit Stopwatch(Stream& stream);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  /// Marks the moment at which everything enqueued so far is done.
  void lap();
  /// Seconds from each mark to the next; waits for the last.
  std::vector<double> seconds();

 private:
  struct Marks;
  Stream& stream_;
  std::unique_ptr<Marks> marks_;
};

}  // namespace gradfold::cuda
