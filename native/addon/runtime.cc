#include "runtime.h"

#include <exception>
#include <utility>

#include "../engine/error.h"

namespace gradfold {

Runtime::Runtime(Napi::Env env, std::shared_ptr<Device> device)
    : env_(env), device_(std::move(device)), channel_(std::make_shared<Channel>()) {
  channel_->function = Napi::ThreadSafeFunction::New(env, Napi::Function(), "gradfold engine", 0, 1);
  channel_->function.Unref(env);
  // Registered after the thread-safe function, so that it runs before that one is torn down.
  napi_add_env_cleanup_hook(env, on_environment_exit, this);
  thread_ = std::thread([this] { loop(); });
}

Runtime::~Runtime() {
  napi_remove_env_cleanup_hook(env_, on_environment_exit, this);
  close();
}

void Runtime::on_environment_exit(void* runtime) { static_cast<Runtime*>(runtime)->close(); }

void Runtime::close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closing_) return;
    closing_ = true;
    for (const Job& job : queue_) {
      if (job.stop) job.stop->store(true);
    }
    if (running_stop_) running_stop_->store(true);
  }
  wake_.notify_all();
  thread_.join();
  channel_->function.Release();
}

void Runtime::push(Job job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closing_) throw Error("DISPOSED", "the backend was disposed");
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Runtime::loop() {
  for (;;) {
    Job job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      running_stop_ = nullptr;
      wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      running_stop_ = job.stop;
    }
    job.run();
    device_->flush();
  }
}

void Runtime::run(const std::function<void()>& job) {
  std::mutex done_mutex;
  std::condition_variable done;
  bool finished = false;
  std::exception_ptr failure;
  push({[&] {
          try {
            job();
          } catch (...) {
            failure = std::current_exception();
          }
          std::lock_guard<std::mutex> lock(done_mutex);
          finished = true;
          done.notify_one();
        },
        nullptr});
  std::unique_lock<std::mutex> lock(done_mutex);
  done.wait(lock, [&] { return finished; });
  if (failure) std::rethrow_exception(failure);
}

void Runtime::post(std::function<Settle()> work, StopFlag stop) {
  push({[channel = channel_, work = std::move(work)] {
          auto* settle = new Settle(work());
          const auto call = [channel](Napi::Env env, Napi::Function, Settle* finished) {
            if (env != nullptr) {  // null: the environment is going away
              Napi::HandleScope scope(env);
              if (--channel->pending == 0) channel->function.Unref(env);
              try {
                (*finished)(env);
              } catch (const Napi::Error&) {
                // A worker that is being terminated takes no more values; nobody waits for this one.
              }
            }
            delete finished;
          };
          if (channel->function.NonBlockingCall(settle, call) != napi_ok) delete settle;
        },
        std::move(stop)});
  if (channel_->pending++ == 0) channel_->function.Ref(env_);
}

}  // namespace gradfold
