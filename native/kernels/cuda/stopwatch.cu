// stopwatch.h by CUDA events.
#include "stopwatch.h"
#include "stream_state.h"

namespace gradfold::cuda {

struct Stopwatch::Marks {
  std::vector<cudaEvent_t> events;

  ~Marks() {
    for (const cudaEvent_t event : events) cudaEventDestroy(event);
    cudaGetLastError();
  }
};

Stopwatch::Stopwatch(Stream& stream) : stream_(stream), marks_(std::make_unique<Marks>()) {}
Stopwatch::~Stopwatch() = default;

void Stopwatch::lap() {
  stream_.state().bind();
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "cudaEventCreate");
  marks_->events.push_back(event);
  check(cudaEventRecord(event, stream_.state().stream), "cudaEventRecord");
}

std::vector<double> Stopwatch::seconds() {
  std::vector<double> between;
  const std::vector<cudaEvent_t>& events = marks_->events;
  if (!events.empty()) check(cudaEventSynchronize(events.back()), "cudaEventSynchronize");
  for (size_t i = 1; i < events.size(); ++i) {
    float milliseconds = 0.0f;
    check(cudaEventElapsedTime(&milliseconds, events[i - 1], events[i]), "cudaEventElapsedTime");
    between.push_back(double(milliseconds) / 1000.0);
  }
  return between;
}

}  // namespace gradfold::cuda
