// Work that repeats runs as a graph (work_queue.h): what is computed stays the same whatever repeats, changes or fails;
// what is given back or uploaded meanwhile comes in its order. Built for emulation only.
#include <cstdlib>
#include <vector>

#include "../../../native/kernels/cuda/launch.h"
#include "../../../native/kernels/cuda/open.h"
#include "../../../native/kernels/cuda/scratch.h"
#include "../layers_support.h"

using namespace gradfold;
using namespace gradfold::cuda;
using namespace gradfold::test;

namespace {

constexpr int kNumbers = 64;

/// Has padding, whose bytes are whatever was there before.
struct Step {
  char kind;
  double factor;
};

__global__ void step_kernel(float* x, Step step) {
  const float factor = float(step.factor);
  x[threadIdx.x] = step.kind == '*' ? x[threadIdx.x] * factor : x[threadIdx.x] + factor;
}
__global__ void add_kernel(float* x, const float* y) { x[threadIdx.x] += y[threadIdx.x]; }

/// A stream with two vectors, and steps of work on them.
struct Bench {
  Stream stream{0};
  float* x = static_cast<float*>(stream.allocate(kNumbers * sizeof(float)));
  float* y = static_cast<float*>(stream.allocate(kNumbers * sizeof(float)));

  ~Bench() {
    stream.release(x);
    stream.release(y);
  }
  void scale(double factor) { launch(stream, "scale", 1, kNumbers, 0, step_kernel, x, Step{'*', factor}); }
  void shift(double by) { launch(stream, "shift", 1, kNumbers, 0, step_kernel, x, Step{'+', by}); }
  void add(float* other) { launch(stream, "add", 1, kNumbers, 0, add_kernel, x, other); }
  void load(float value) {
    const std::vector<float> values(kNumbers, value);
    stream.upload(y, values.data(), kNumbers * sizeof(float));
  }
  std::vector<float> values() {
    std::vector<float> out(kNumbers);
    stream.copy_out(out.data(), x, kNumbers * sizeof(float));
    return out;
  }
  float value() {
    const std::vector<float> all = values();
    for (const float one : all) CHECK(one == all[0]);
    return all[0];
  }
  /// x = ((0 + value) 2 + by) + 8 shifts, one of them by `odd`.
  float step(float value_, double by, double odd = 1) {
    stream.zero(x, kNumbers * sizeof(float));
    load(value_);
    add(y);
    scale(2);
    shift(by);
    for (int k = 0; k < 8; ++k) shift(k == 3 ? odd : 1);
    return value();
  }
};

void test_repeats() {
  Bench bench;
  for (int repeat = 0; repeat < 6; ++repeat) CHECK(bench.step(float(repeat), 3) == 2.0f * repeat + 11);
  // Seen, made, then run.
  CHECK(bench.stream.graphs_made() == 1);
  CHECK(bench.stream.graphs_launched() == 4);
  // Other arguments of a kernel, and back.
  CHECK(bench.step(1, 5) == 15);
  CHECK(bench.step(1, 7, 2) == 18);
  CHECK(bench.step(2, 3) == 15);
  CHECK(bench.stream.graphs_launched() == 7);
}

void test_other_works() {
  Bench bench;
  for (int repeat = 0; repeat < 3; ++repeat) bench.step(1, 3);
  CHECK(bench.stream.graphs_launched() == 1);
  // Begins like the graph, then goes its own way: shorter, longer, with another kernel, with other copies.
  const auto begin = [&](int shifts) {
    bench.stream.zero(bench.x, kNumbers * sizeof(float));
    bench.load(4);
    bench.add(bench.y);
    bench.scale(2);
    for (int k = 0; k < shifts; ++k) bench.shift(1);
  };
  begin(2);
  CHECK(bench.value() == 10);
  begin(12);
  CHECK(bench.value() == 20);
  begin(3);
  bench.add(bench.y);
  CHECK(bench.value() == 15);
  begin(1);
  bench.stream.copy(bench.x, bench.y, kNumbers * sizeof(float));
  CHECK(bench.value() == 4);
  CHECK(bench.stream.graphs_launched() == 1);
  // More other arguments than a graph takes are other work, captured anew.
  const auto shifts = [&](double by) {
    bench.stream.zero(bench.x, kNumbers * sizeof(float));
    for (int k = 0; k < 11; ++k) bench.shift(by);
    return bench.value();
  };
  for (const double by : {1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 1.0}) CHECK(shifts(by) == 11 * float(by));
  CHECK(bench.stream.graphs_made() == 3);
  CHECK(bench.stream.graphs_launched() == 1 + 1 + 1 + 1);
}

/// Memory given back behind works that are held back stays until they have run; what comes next may get it.
void test_release() {
  Bench bench;
  const std::vector<float> twos(kNumbers, 2.0f);
  const auto step = [&](float* other) {
    bench.stream.zero(bench.x, kNumbers * sizeof(float));
    for (int k = 0; k < 9; ++k) bench.add(bench.y);
    bench.stream.upload(other, twos.data(), kNumbers * sizeof(float));
    bench.add(other);
  };
  bench.load(1);
  auto* other = static_cast<float*>(bench.stream.allocate(kNumbers * sizeof(float)));
  for (int repeat = 0; repeat < 3; ++repeat) {
    step(other);
    CHECK(bench.value() == 11);
  }
  step(other);
  bench.stream.release(other);
  CHECK(bench.value() == 11);
  CHECK(bench.stream.graphs_launched() == 1);
}

/// Whoever enqueues by himself, and whoever flushes, finds what came before enqueued.
void test_in_order() {
  Bench bench;
  for (int repeat = 0; repeat < 3; ++repeat) bench.step(1, 3);
  bench.stream.zero(bench.x, kNumbers * sizeof(float));
  bench.load(1);
  enqueue(bench.stream.state(), [x = bench.x] { x[0] += 5; });
  bench.add(bench.y);
  bench.stream.flush();
  const std::vector<float> values = bench.values();
  CHECK(values[0] == 6 && values[1] == 1);
}

void test_failures() {
  setenv("GRADFOLD_EMULATED_GRAPHS_FAIL", "1", 1);
  Bench bench;
  for (int repeat = 0; repeat < 5; ++repeat) CHECK(bench.step(float(repeat), 3) == 2.0f * repeat + 11);
  CHECK(bench.stream.graphs_made() == 0 && bench.stream.graphs_launched() == 0);
  unsetenv("GRADFOLD_EMULATED_GRAPHS_FAIL");
  setenv("GRADFOLD_CUDA_GRAPHS", "off", 1);
  Bench off;
  for (int repeat = 0; repeat < 5; ++repeat) CHECK(off.step(float(repeat), 3) == 2.0f * repeat + 11);
  CHECK(off.stream.graphs_made() == 0);
  unsetenv("GRADFOLD_CUDA_GRAPHS");
}

/// Graphs beyond those that are kept push out the one that has not run for longest.
void test_many() {
  Bench bench;
  for (int round = 0; round < 2; ++round)
    for (int length = 8; length < 40; ++length)
      for (int repeat = 0; repeat < 3; ++repeat) {
        bench.stream.zero(bench.x, kNumbers * sizeof(float));
        for (int k = 0; k < length; ++k) bench.shift(1);
        CHECK(bench.value() == float(length));
      }
  CHECK(bench.stream.graphs_made() == 64 && bench.stream.graphs_launched() == 64);
}

void test_scratch() {
  Stream stream(0);
  Scratch scratch(stream, 4096);
  void* first = scratch.take(1000);
  void* second = scratch.take(1000);
  CHECK(first != second);
  scratch.give_back(second, 1000);
  scratch.give_back(first, 1000);
  CHECK(scratch.take(1024) == first);
  CHECK(scratch.take(1010) == second);
  // What is idle goes before the whole is more than 4096 bytes.
  scratch.give_back(first, 1024);
  scratch.give_back(second, 1010);
  void* large = scratch.take(3000);
  void* again = scratch.take(1024);
  CHECK(again == second);
  scratch.give_back(large, 3000);
  scratch.give_back(again, 1024);
  stream.wait();
}

/// What is larger than all that may stay does not: others can have its memory.
void test_large_scratch() {
  setenv("GRADFOLD_EMULATED_MEMORY", "1600000", 1);
  Stream stream(0);
  unsetenv("GRADFOLD_EMULATED_MEMORY");
  Scratch scratch(stream, 4096);
  scratch.give_back(scratch.take(1 << 20), 1 << 20);
  void* memory = stream.allocate(1 << 20);
  CHECK(memory != nullptr);
  stream.release(memory);
}

/// What is idle goes where the device has nothing else; what is refused leaves the rest as it was.
void test_scratch_of_a_full_device() {
  setenv("GRADFOLD_EMULATED_MEMORY", "1600000", 1);
  Stream stream(0);
  unsetenv("GRADFOLD_EMULATED_MEMORY");
  Scratch scratch(stream, 1600000);
  void* held = scratch.take(1 << 18);
  scratch.give_back(scratch.take(1 << 19), 1 << 19);
  void* memory = stream.allocate(1 << 19);
  void* other = scratch.take(3 << 18);  // with the idle piece there would be too little
  CHECK(other != nullptr && other != held);
  bool refused = false;
  try {
    scratch.take(1 << 20);
  } catch (const OutOfMemory& error) {
    refused = error.asked >= 1 << 20 && error.free < 1 << 20;
  }
  CHECK(refused);
  scratch.give_back(other, 3 << 18);
  CHECK(scratch.take(3 << 18) == other);
  scratch.give_back(other, 3 << 18);
  scratch.give_back(held, 1 << 18);
  stream.release(memory);
}

}  // namespace

int main() {
  test_repeats();
  test_other_works();
  test_release();
  test_in_order();
  test_failures();
  test_many();
  test_scratch();
  test_large_scratch();
  test_scratch_of_a_full_device();
  return exit_status();
}
