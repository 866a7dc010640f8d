// One thread block of an emulated kernel: its threads as fibers, its shared memory, its barriers. Only for tests.
//
// Threads run one after another, each until it waits for others, so that a kernel is executed index by index as on a
// device. What a device would let pass silently is a Fault here: barriers or warp operations that threads of a block do
// not reach together, shared memory read or written outside of an array, two threads that touch the same shared number,
// one of them writing, without a barrier between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fiber.h"
#include "warpgroup.h"

namespace gradfold::emulation {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  Dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

/// A kernel that broke the rules; the message names thread, block and what happened.
class Fault : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

constexpr int kWarp = 32;
/// What a block may have on every device of compute capability 8.0 and above, and on 9.0.
constexpr size_t kSharedBytes = 101376, kSharedBytesOf90 = 232448;
/// What a block of the emulated device may have.
inline size_t shared_limit = kSharedBytes;

class Block;

/// One emulated CUDA thread.
struct Lane {
  enum class State { ready, at_warp, at_block, done };

  Block* block;
  int index;  // within the block
  Dim3 thread;
  State state;
  void* stack_pointer;
  uint32_t warp_phase;  // warp barriers passed, for ordering of shared memory

  int warp() const { return index / kWarp; }
  int lane() const { return index % kWarp; }
};

/// The running lane of this operating-system thread.
Lane& lane();

/// A place in the source, which all threads that meet must have in common.
struct Site {
  const char* file;
  int line;
  const char* what;
};

/// What the lanes of a warp give each other: one slot a lane, two generations, so that a lane may be one ahead.
struct Warp {
  static constexpr size_t kSlot = 64;
  uint32_t generation = 0;
  int arrived = 0;
  int live = 0;  // lanes of the warp
  Site site{};
  alignas(16) unsigned char slots[2][kWarp][kSlot];
  alignas(16) unsigned char results[2][kWarp][kSlot];
};

/// An asynchronous copy into shared memory, which takes place when its group is waited for.
struct PendingCopy {
  unsigned char* to;
  unsigned char bytes[16];
  size_t count;
  int group;
};

class Block {
 public:
  Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// Runs body once for every thread of the block. Throws Fault.
  void run(Dim3 grid_dim, Dim3 block_dim, Dim3 block_index, size_t dynamic_bytes, const std::function<void()>& body);

  Dim3 grid, dim, index;

  // ---- called by lanes --------------------------------------------------------------------------------------------
  void barrier(const Site& site);
  /// Brings `bytes` of each lane together. The last lane to arrive calls combine(slots, results); returned is this
  /// lane's row of results, valid until its second next exchange.
  using Combine = void (*)(const unsigned char slots[kWarp][Warp::kSlot], unsigned char results[kWarp][Warp::kSlot]);
  const unsigned char* exchange(const Site& site, const void* value, size_t bytes, Combine combine);
  void warp_barrier(const Site& site);
  [[noreturn]] void fail(const std::string& what) const;

  // ---- shared memory ----------------------------------------------------------------------------------------------
  /// The array of one declaration, the same for every thread of the block; its bytes start as NaN of every type.
  unsigned char* shared_array(const void* declaration, size_t bytes, const char* name);
  unsigned char* dynamic_shared() { return shared_.data(); }
  size_t dynamic_bytes() const { return dynamic_bytes_; }
  void note_read(const void* at, size_t bytes, const char* name) { note(at, bytes, name, false); }
  void note_write(const void* at, size_t bytes, const char* name) { note(at, bytes, name, true); }

  void copy_async(unsigned char* to, const void* from, size_t bytes, bool valid, const char* name);
  void commit_copies();
  void wait_copies(int groups_left);
  uint32_t shared_byte(const void* at) const {
    return static_cast<uint32_t>(static_cast<const unsigned char*>(at) - shared_.data());
  }

  // ---- warpgroups (warpgroup.h) -------------------------------------------------------------------------------------
  void warpgroup_multiply(const Site& site, const WarpgroupProduct& product, float* held);
  void warpgroup_fence();
  void warpgroup_commit();
  void warpgroup_wait(int groups_left);
  /// What the running thread has written is from now on seen by the tensor cores.
  void async_proxy_fence();

 private:
  struct Declared {
    const void* declaration;
    size_t offset, bytes;
  };
  /// Who touched two bytes of shared memory last. Times are barriers of the block; 0: never.
  struct Touch {
    uint32_t written_at, read_at;
    uint32_t written_phase, read_phase;
    int16_t writer, reader;  // reader: −1 several of one warp, −2 several of several warps
    int16_t reader_warp;
    uint32_t written_fence;  // fences of the writer before it wrote
  };
  struct Copies {
    std::vector<PendingCopy> pending;
    int committed = 0;
  };

  static void enter();
  void wait();
  void run_warp(int warp);
  bool release();
  void note(const void* at, size_t bytes, const char* name, bool write);
  std::string place() const;
  int running_index() const { return lane().index; }
  /// All lanes of the running one's warp come here together.
  void warp_meets(const Site& site) { exchange(site, nullptr, 0, nullptr); }
  void read_operands(Warpgroup::Issued& issued);
  /// Fails where a number was written by a thread that has not shown it to the tensor cores.
  void check_proxy(uint32_t byte) const;

  const std::function<void()>* body_ = nullptr;
  std::vector<std::unique_ptr<FiberStack>> stacks_;
  std::vector<Lane> lanes_;
  std::vector<Warp> warps_;
  std::vector<Copies> copies_;
  std::vector<Warpgroup> warpgroups_;
  std::vector<WarpgroupLane> warpgroup_lanes_;
  void* scheduler_ = nullptr;
  std::string fault_;

  int at_barrier_ = 0;
  Site barrier_site_{};
  uint32_t time_ = 1;

  std::vector<unsigned char> shared_;
  std::vector<Touch> touches_;
  std::vector<Declared> declared_;
  size_t dynamic_bytes_ = 0, shared_used_ = 0;

  friend Lane& lane();
};

/// Runs every block of a grid, in parallel over the processor's cores. Throws the first Fault.
void run_grid(Dim3 grid, Dim3 block, size_t dynamic_bytes, const std::function<void()>& body);

}  // namespace gradfold::emulation
