// A refused allocation with its numbers.
#pragma once

#include <cstddef>
#include <new>
#include <string>

namespace gradfold {

/// Thrown by a device whose memory is apart from the process's and can tell how much of it is free.
class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(size_t asked_, size_t free_, size_t total_)
      : asked(asked_),
        free(free_),
        total(total_),
        message_("the device refused " + std::to_string(asked_) + " bytes: " + std::to_string(free_) + " of its " +
                 std::to_string(total_) + " bytes are free") {}
  const char* what() const noexcept override { return message_.c_str(); }

  const size_t asked, free, total;

 private:
  std::string message_;
};

}  // namespace gradfold
