// What the engine throws. The code is one of the words of lib/errors.ts.
#pragma once

#include <stdexcept>
#include <string>

namespace gradfold {

class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

/// Thrown between layers once the caller has asked to stop.
class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled"; }
};

/// An invariant of the engine itself; a failure is a bug of the caller in this repository, not of the user.
inline void check(bool holds, const char* invariant) {
  if (!holds) throw Error("INVALID_ARGUMENT", std::string("engine invariant violated: ") + invariant);
}

}  // namespace gradfold
