#include "map_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include "../engine/error.h"
#include "convert.h"
#include "guard.h"

namespace gradfold {
namespace {

/// An Error as Node's own file calls throw it, but for its code, which lib/ adds.
Napi::Error system_error(Napi::Env env, int number, const char* call) {
  Napi::Error error = Napi::Error::New(env, std::generic_category().message(number));
  error.Set("errno", Napi::Number::New(env, -number));
  error.Set("syscall", Napi::String::New(env, call));
  return error;
}

class FileDescriptor {
 public:
  explicit FileDescriptor(const char* path) {
    do {
      number_ = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe's other end is not waited for
    } while (number_ < 0 && errno == EINTR);
  }
  ~FileDescriptor() {
    if (number_ >= 0) ::close(number_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::string path_of(const Napi::Value& value) {
  const std::string path = value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Error("INVALID_ARGUMENT", "native call: path: expected a string without NUL");
  }
  return path;
}

/// mapFile(path, most) → ArrayBuffer of a regular file's bytes, at most so many. Pages are read when they are touched.
/// What is written into them stays in this process: JavaScript cannot be kept from writing, and a read-only page would
/// end the process. The mapping outlives the file's name and ends with the ArrayBuffer or its environment.
Napi::Value map_file(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const std::string path = path_of(info[0]);
    const int64_t most = integer_of(info[1], "most", 0, kMostExact);
    const FileDescriptor file(path.c_str());
    if (file.number() < 0) throw system_error(env, errno, "open");
    struct stat status;
    if (::fstat(file.number(), &status) != 0) throw system_error(env, errno, "fstat");
    if (S_ISDIR(status.st_mode)) throw system_error(env, EISDIR, "mmap");
    if (!S_ISREG(status.st_mode)) throw system_error(env, ENODEV, "mmap");
    if (status.st_size > most) throw system_error(env, EFBIG, "mmap");
    if (status.st_size == 0) return Napi::ArrayBuffer::New(env, 0);  // mmap refuses a length of 0
    const auto bytes = static_cast<size_t>(status.st_size);
    // Without MAP_NORESERVE room would be set aside for copies of all pages, which are never made.
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.number(), 0);
    if (data == MAP_FAILED) throw system_error(env, errno, "mmap");
    try {
      return Napi::ArrayBuffer::New(env, data, bytes, [bytes](Napi::Env, void* mapped) { ::munmap(mapped, bytes); });
    } catch (...) {
      ::munmap(data, bytes);
      throw;
    }
  });
}

/// adviseWillNeed(buffer, offset, length): asks the system to read these bytes of a mapping soon. Returns at once, and
/// a refusal changes nothing.
void advise_will_need(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    if (!info[0].IsArrayBuffer()) throw Error("INVALID_ARGUMENT", "native call: buffer: expected an ArrayBuffer");
    auto buffer = info[0].As<Napi::ArrayBuffer>();
    const auto size = static_cast<int64_t>(buffer.ByteLength());
    const int64_t offset = integer_of(info[1], "offset", 0, size);
    const int64_t length = integer_of(info[2], "length", 0, size - offset);
    if (length == 0) return;
    static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const uintptr_t first = reinterpret_cast<uintptr_t>(buffer.Data()) + static_cast<uintptr_t>(offset);
    const uintptr_t begin = first / page * page;
    ::madvise(reinterpret_cast<void*>(begin), first + static_cast<uintptr_t>(length) - begin, MADV_WILLNEED);
  });
}

}  // namespace

void register_map_file(Napi::Env env, Napi::Object exports) {
  exports.Set("mapFile", Napi::Function::New<map_file>(env, "mapFile"));
  exports.Set("adviseWillNeed", Napi::Function::New<advise_will_need>(env, "adviseWillNeed"));
}

}  // namespace gradfold
