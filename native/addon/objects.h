// The JavaScript classes of the addon: Engine, Model, Rater, Vector. Thin: convert, queue, convert back.
#pragma once

#include <napi.h>

#include <memory>

#include "../engine/language_model.h"
#include "../engine/sequence_rater.h"
#include "runtime.h"

namespace gradfold {

/// A vector's memory; jobs hold it while they run, whatever JavaScript does meanwhile.
struct VectorMemory {
  VectorMemory(std::shared_ptr<Device> device_, int64_t length_);
  /// The live parameters of a network, which owns them.
  VectorMemory(std::shared_ptr<Device> device_, std::shared_ptr<Network> owner_);
  ~VectorMemory();
  VectorMemory(const VectorMemory&) = delete;
  VectorMemory& operator=(const VectorMemory&) = delete;

  /// To be called by a job that wrote to the memory.
  void changed() const {
    if (owner) owner->parameters().changed();
  }

  std::shared_ptr<Device> device;
  std::shared_ptr<Network> owner;  // null when the memory is its own
  float* data;
  int64_t length;
};

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EngineObject(const Napi::CallbackInfo& info);

  /// The runtime behind a JavaScript engine.
  static std::shared_ptr<Runtime> runtime_of(const Napi::Value& value);

 private:
  Napi::Value create_model(const Napi::CallbackInfo& info);
  Napi::Value create_rater(const Napi::CallbackInfo& info);
  template <typename T, typename... Arguments>
  std::shared_ptr<T> create_network(const Arguments&... arguments);
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value repeated(const Napi::CallbackInfo& info);
  Napi::Value measure_product(const Napi::CallbackInfo& info);
  Napi::Value per_sample_linear(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  std::shared_ptr<Runtime> runtime_;
  bool recompute_ = false;  // of the networks that are made
};

class VectorObject : public Napi::ObjectWrap<VectorObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit VectorObject(const Napi::CallbackInfo& info);

  static Napi::Object create(Napi::Env env, std::shared_ptr<Runtime> runtime, std::shared_ptr<VectorMemory> memory);
  /// The memory behind a JavaScript vector; throws DISPOSED when it is gone.
  static std::shared_ptr<VectorMemory> memory_of(const Napi::Value& value);
  /// The same for a vector that is to be on a device and of a length.
  static std::shared_ptr<VectorMemory> memory_of(const Napi::Value& value, const Device* device, int64_t length);

  void Finalize(Napi::BasicEnv env) override;

 private:
  void account(Napi::BasicEnv env, int64_t sign);
  const std::shared_ptr<VectorMemory>& memory() const;
  /// The memory of an argument that goes with this vector.
  std::shared_ptr<VectorMemory> another(const Napi::Value& value) const;
  Napi::Value copy(const Napi::CallbackInfo& info);
  void fill(const Napi::CallbackInfo& info);
  void copy_from(const Napi::CallbackInfo& info);
  void scale(const Napi::CallbackInfo& info);
  void axpy(const Napi::CallbackInfo& info);
  Napi::Value dot(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  void write(const Napi::CallbackInfo& info);
  Napi::Value sgd_step(const Napi::CallbackInfo& info);
  Napi::Value adamw_step(const Napi::CallbackInfo& info);
  Napi::Value adamw_metric(const Napi::CallbackInfo& info);
  Napi::Value sgd_adjoint(const Napi::CallbackInfo& info);
  Napi::Value adamw_adjoint(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<Runtime> runtime_;
  std::shared_ptr<VectorMemory> memory_;
};

/// What models and raters share: a network on a runtime, until it is disposed.
struct NetworkHandle {
  std::shared_ptr<Runtime> runtime;
  std::shared_ptr<Network> network;

  /// The network as what it is; throws DISPOSED when it is gone.
  template <typename T>
  std::shared_ptr<T> alive() const {
    if (!network) throw Error("DISPOSED", "the model was disposed");
    return std::static_pointer_cast<T>(network);
  }
  /// The memory of an argument that is a vector over the parameters.
  std::shared_ptr<VectorMemory> vector(const Napi::Value& value) const;
  /// Tells the garbage collector of memory it cannot see: sign 1 when it is taken, −1 when it is given back.
  void account(Napi::BasicEnv env, int64_t sign) const;
  /// Lets go of the network; jobs under way still hold it.
  void dispose(Napi::BasicEnv env);
  /// The live parameters as a JavaScript vector.
  Napi::Value parameters(Napi::Env env) const;
  /// A new vector of zeros as long as the parameters.
  Napi::Value zeros(Napi::Env env) const;
};

class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ModelObject(const Napi::CallbackInfo& info);

  static Napi::Object create(Napi::Env env, NetworkHandle handle);
  void Finalize(Napi::BasicEnv env) override;

 private:
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value zeros(const Napi::CallbackInfo& info);
  Napi::Value loss(const Napi::CallbackInfo& info);
  Napi::Value logits(const Napi::CallbackInfo& info);
  Napi::Value backward(const Napi::CallbackInfo& info);
  Napi::Value jvp(const Napi::CallbackInfo& info);
  Napi::Value hvp(const Napi::CallbackInfo& info);
  Napi::Value traced_jvp(const Napi::CallbackInfo& info);
  Napi::Value traced_hvp(const Napi::CallbackInfo& info);
  void forget(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  NetworkHandle handle_;
};

class RaterObject : public Napi::ObjectWrap<RaterObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit RaterObject(const Napi::CallbackInfo& info);

  static Napi::Object create(Napi::Env env, NetworkHandle handle);
  void Finalize(Napi::BasicEnv env) override;

 private:
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value zeros(const Napi::CallbackInfo& info);
  Napi::Value score(const Napi::CallbackInfo& info);
  Napi::Value backward(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  NetworkHandle handle_;
};

/// What an environment (main thread or worker) holds.
struct Environment {
  Napi::FunctionReference engine, vector, model, rater, row_sorter;
};

}  // namespace gradfold
