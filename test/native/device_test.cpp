// Opening the CPU device and its memory, for every instruction set and product that this machine has.
#include "layers_support.h"

using namespace gradfold;
using namespace gradfold::test;

namespace {

void test_device(Device& device, const std::string& name) {
  CHECK(name.find(device.isa()) == 0);
  CHECK(std::string(device.gemm()).find("portable") == 0 || std::string(device.gemm()).find("oneDNN ") == 0);
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{5} << 20}) {
    void* memory = device.allocate(bytes);
    CHECK(reinterpret_cast<uintptr_t>(memory) % 64 == 0);
    device.release(memory);
  }
}

/// Opening must fail with a message that names the value and what there is instead.
void check_refused(int threads, const char* isa, const char* gemm, const char* named) {
  std::string message;
  try {
    open_cpu_device(threads, Type::f32, isa, gemm);
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  check(message.find(named) != std::string::npos, __FILE__, __LINE__,
        ("the refusal names " + std::string(named)).c_str());
}

void test_open() {
  check_refused(0, nullptr, nullptr, "0");
  check_refused(1, "avx1024", nullptr, "\"avx1024\"");
  check_refused(1, "avx1024", nullptr, "\"baseline\"");
  check_refused(1, nullptr, "mkl", "\"mkl\"");
  check_refused(1, nullptr, "mkl", "\"portable\"");
  CHECK(open_cpu_device(3, Type::f32, nullptr, nullptr)->threads() == 3);
}

}  // namespace

int main() {
  test_open();
  for (const int threads : {1, 3}) for_each_device(threads, test_device);
  return exit_status();
}
