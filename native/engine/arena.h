// Device memory of one pass: handed out by a moving pointer, given back all at once, kept between passes because fresh
// pages are slow to touch.
#pragma once

#include <cstdint>
#include <vector>

#include "../kernels/kernels.h"

namespace gradfold {

class Arena {
 public:
  explicit Arena(Device& device) : device_(device) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Forgets everything handed out. After a pass that had to grow, one block as large as was needed takes the place of
  /// its blocks.
  void reset();
  /// Forgets as well, but what is there stays: who takes the same again in the same order finds it.
  void rewind();
  /// Forgets everything and makes sure of one block of at least this size.
  void reserve(size_t bytes);
  /// Largest number of bytes handed out at one time.
  size_t peak() const { return peak_; }
  /// Bytes handed out now.
  size_t handed_out() const { return handed_out_; }

  template <typename T>
  T* take(int64_t count) {
    return static_cast<T*>(take_bytes(static_cast<size_t>(count) * sizeof(T)));
  }
  Mat matrix(int64_t rows, int64_t cols) { return {take<float>(rows * cols), rows, cols, cols}; }
  AnyMat matrix(int64_t rows, int64_t cols, Type type) {
    return {take<char>(rows * cols * size_of(type)), rows, cols, cols, type};
  }
  /// An operand of products. Rows whose bytes are a multiple of 1 KiB lie a cache line further apart: their columns,
  /// which the product for a weight's gradient reads, would else compete for the same few places of the caches.
  AnyMat operand(int64_t rows, int64_t cols, Type type) {
    const int64_t stride = cols * size_of(type) % 1024 == 0 ? cols + 64 / size_of(type) : cols;
    return {take<char>(rows * stride * size_of(type)), rows, cols, stride, type};
  }
  Mat operand(int64_t rows, int64_t cols) {
    const AnyMat taken = operand(rows, cols, Type::f32);
    return {static_cast<float*>(taken.data), rows, cols, taken.stride};
  }
  /// A table copied from ordinary memory.
  template <typename T>
  T* table(const std::vector<T>& values) {
    T* memory = take<T>(static_cast<int64_t>(values.size()));
    device_.upload(memory, values.data(), values.size() * sizeof(T));
    return memory;
  }

  /// Gives back, at the end of its life, what was taken during it.
  class Scope {
   public:
    explicit Scope(Arena& arena)
        : arena_(arena), block_(arena.block_), used_(arena.used_), handed_out_(arena.handed_out_) {}
    ~Scope() {
      arena_.block_ = block_;
      arena_.used_ = used_;
      arena_.handed_out_ = handed_out_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    size_t block_, used_, handed_out_;
  };

 private:
  struct Block {
    char* memory;
    size_t bytes;
  };
  void* take_bytes(size_t bytes);
  void release_blocks();

  Device& device_;
  std::vector<Block> blocks_;
  size_t block_ = 0;  // the block being filled
  size_t used_ = 0;   // of that block
  size_t handed_out_ = 0, peak_ = 0;
};

}  // namespace gradfold
