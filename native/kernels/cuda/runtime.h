// The little of the CUDA runtime that the device needs, without CUDA's headers: runtime.cu has it on a device,
// emulation/runtime.cpp in ordinary memory.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../out_of_memory.h"
#include "work.h"

namespace gradfold::cuda {

struct DeviceFacts {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  size_t memory = 0;  // bytes
};

/// What can be had on this machine, or in the driver's own words why nothing can.
struct Machine {
  int runtime = 0, driver = 0;  // 13000: 13.0; driver 0: none
  std::vector<DeviceFacts> devices;
  std::string reason;  // where there are no devices
};

Machine find_machine();

/// A call of the runtime that failed, a kernel's fault included; the message is the runtime's own.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class WorkQueue;

/// One device's memory and the order of work on it. allocate and release may be called on any thread, everything else
/// on one thread at a time. What is enqueued runs in order, copies and kernels alike; it begins at the latest when
/// somebody waits or flushes, and what repeats runs as a CUDA graph (work_queue.h; GRADFOLD_CUDA_GRAPHS=off: never).
class Stream {
 public:
  /// The device's number; throws std::invalid_argument where there is none of it.
  explicit Stream(int device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const DeviceFacts& facts() const;

  /// At least 256-byte aligned. Throws OutOfMemory; the stream is as it was then.
  void* allocate(size_t bytes);
  /// After all work enqueued so far. Never throws: memory may outlive the device at the end of the process.
  void release(void* memory) noexcept;

  /// Memory of the host that copies can come from while the host goes on.
  void* allocate_pinned(size_t bytes);
  void release_pinned(void* memory) noexcept;

  /// Enqueues a kernel or a product of the library; `arguments` has been read when this returns.
  void enqueue(const Work& work, const void* arguments);
  /// Enqueues a copy from ordinary memory; `from` has been read when this returns.
  void upload(void* to, const void* from, size_t bytes);
  /// Enqueues a copy; `pinned` must stay as it is until it is done.
  void copy_in(void* to, const void* pinned, size_t bytes);
  /// A copy to ordinary memory; returns when it is done.
  void copy_out(void* to, const void* from, size_t bytes);
  void copy(void* to, const void* from, size_t bytes);
  void zero(void* memory, size_t bytes);

  /// A moment in the stream.
  class Event {
   public:
    explicit Event(Stream& stream);
    ~Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    void record();
    /// Returns when everything enqueued before the last record() is done; at once where there was none.
    void wait();

   private:
    Stream& stream_;
    void* handle_ = nullptr;
  };

  /// The contents of memory are nobody's from here on: NaN in emulation, as they are on a device.
  void forget(void* memory, size_t bytes);

  /// Returns when everything enqueued is done; throws DeviceError where some of it failed.
  void wait();
  /// Lets everything enqueued begin. What fails is told to whoever waits.
  void flush() noexcept;

  /// Graphs that were made of what repeats, and how often one ran.
  int64_t graphs_made() const;
  int64_t graphs_launched() const;

  struct State;
  /// For those who enqueue by themselves: everything enqueued so far is ahead of them.
  State& state();

 private:
  std::unique_ptr<State> state_;
  std::unique_ptr<WorkQueue> queue_;
};

}  // namespace gradfold::cuda
