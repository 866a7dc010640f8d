#include "arena.h"

#include <algorithm>

namespace gradfold {

namespace {
constexpr size_t kAlignment = 64;
constexpr size_t kSmallestBlock = size_t{8} << 20;
}  // namespace

Arena::~Arena() { release_blocks(); }

void Arena::release_blocks() {
  for (const Block& block : blocks_) device_.release(block.memory);
  blocks_.clear();
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    release_blocks();
    blocks_.push_back({static_cast<char*>(device_.allocate(peak_)), peak_});
  }
  rewind();
}

void Arena::rewind() {
  block_ = 0;
  used_ = 0;
  handed_out_ = 0;
}

void Arena::reserve(size_t bytes) {
  reset();
  if (!blocks_.empty() && blocks_.front().bytes >= bytes) return;
  release_blocks();
  blocks_.push_back({static_cast<char*>(device_.allocate(bytes)), bytes});
}

void* Arena::take_bytes(size_t bytes) {
  bytes = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].bytes) {
    block_++;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    const size_t size = std::max(bytes, kSmallestBlock);
    blocks_.push_back({static_cast<char*>(device_.allocate(size)), size});
  }
  void* memory = blocks_[block_].memory + used_;
  used_ += bytes;
  handed_out_ += bytes;
  peak_ = std::max(peak_, handed_out_);
  return memory;
}

}  // namespace gradfold
