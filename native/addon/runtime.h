// The engine thread of one backend: a queue, the device it drives, and the way results come back to JavaScript.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "../kernels/kernels.h"

namespace gradfold {

/// What a finished job does on the JavaScript thread.
using Settle = std::function<void(Napi::Env)>;
/// Raised to ask a job to end early.
using StopFlag = std::shared_ptr<std::atomic<bool>>;

class Runtime {
 public:
  Runtime(Napi::Env env, std::shared_ptr<Device> device);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const std::shared_ptr<Device>& device() const { return device_; }

  /// Queues a job that returns nothing and does not throw.
  void send(std::function<void()> job) { push({std::move(job), nullptr}); }

  /// Runs the job on the engine thread after everything queued before it, and waits. Rethrows what it throws.
  void run(const std::function<void()>& job);

  /// Queues work whose Settle, run on the JavaScript thread, resolves or rejects a promise; the process stays alive
  /// until then. The work watches `stop`, which is also raised when the runtime closes first.
  void post(std::function<Settle()> work, StopFlag stop);

  /// Stops what is running and queued, and ends the thread. Idempotent; JavaScript thread only.
  void close();

 private:
  struct Job {
    std::function<void()> run;
    StopFlag stop;
  };
  /// Outlives the runtime while results are on their way.
  struct Channel {
    Napi::ThreadSafeFunction function;
    int64_t pending = 0;  // promises not settled yet; JavaScript thread only
  };
  void push(Job job);
  void loop();
  static void on_environment_exit(void* runtime);

  Napi::Env env_;
  std::shared_ptr<Device> device_;
  std::shared_ptr<Channel> channel_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  StopFlag running_stop_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace gradfold
