// Shared memory of an emulated block: arrays whose every access is checked. Only for tests.
#pragma once

#include "language.h"

namespace gradfold::emulation {

/// One shared number. Kernels must name its type: `const auto x = tile[i]` would read it later, or never.
template <class T>
class SharedNumber {
 public:
  SharedNumber(T* at, const char* name) : at_(at), name_(name) {}
  operator std::remove_const_t<T>() const {
    lane().block->note_read(at_, sizeof(T), name_);
    return *at_;
  }
  void operator=(const std::remove_const_t<T>& value) const {
    lane().block->note_write(at_, sizeof(T), name_);
    *at_ = value;
  }
  void operator=(const SharedNumber& other) const { *this = std::remove_const_t<T>(other); }
  template <class U>
  void operator+=(U value) const {
    *this = static_cast<T>(static_cast<T>(*this) + value);
  }
  template <class U>
  void operator*=(U value) const {
    *this = static_cast<T>(static_cast<T>(*this) * value);
  }

 private:
  T* at_;
  const char* name_;
};

/// What a pointer into shared memory is on the device.
template <class T>
class SharedArray {
 public:
  SharedArray(T* at, const unsigned char* begin, const unsigned char* end, const char* name)
      : at_(at), begin_(begin), end_(end), name_(name) {}
  operator SharedArray<const T>() const { return {at_, begin_, end_, name_}; }

  SharedNumber<T> operator[](int64_t i) const { return {within(i, sizeof(T)), name_}; }
  SharedNumber<T> operator*() const { return (*this)[0]; }
  SharedArray operator+(int64_t i) const { return {at_ + i, begin_, end_, name_}; }

  /// Where number i is, after a check that `bytes` from there lie within the array.
  T* within(int64_t i, size_t bytes) const {
    const auto* at = reinterpret_cast<const unsigned char*>(at_ + i);
    if (at < begin_ || at + bytes > end_)
      lane().block->fail("touches byte " + std::to_string(at - begin_) + " of " + name_ + ", which has " +
                         std::to_string(end_ - begin_));
    if (reinterpret_cast<uintptr_t>(at) % (bytes > 16 ? 16 : bytes) != 0)
      lane().block->fail("touches " + std::to_string(bytes) + " bytes of " + name_ + " at byte " +
                         std::to_string(at - begin_) + ", which is not aligned");
    return at_ + i;
  }
  const char* name() const { return name_; }

  template <class U>
  SharedArray<U> as() const {
    return {reinterpret_cast<U*>(at_), begin_, end_, name_};
  }
  /// The first `count` numbers as an array of their own.
  SharedArray first(int64_t count) const {
    if (count > 0) within(0, sizeof(T)), within(count - 1, sizeof(T));
    const auto* begin = reinterpret_cast<const unsigned char*>(at_);
    return {at_, begin, begin + static_cast<size_t>(count) * sizeof(T), name_};
  }

 private:
  T* at_;
  const unsigned char *begin_, *end_;
  const char* name_;
};

template <class T>
SharedArray<T> declare_shared(const void* declaration, size_t count, const char* name) {
  unsigned char* memory = lane().block->shared_array(declaration, count * sizeof(T), name);
  return {reinterpret_cast<T*>(memory), memory, memory + count * sizeof(T), name};
}

inline SharedArray<unsigned char> dynamic_shared(const char* name) {
  Block& block = *lane().block;
  return {block.dynamic_shared(), block.dynamic_shared(), block.dynamic_shared() + block.dynamic_bytes(), name};
}

}  // namespace gradfold::emulation
