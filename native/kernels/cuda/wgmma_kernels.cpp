#include <cstdlib>
#include <string>

#include "runtime.h"

namespace gradfold::cuda {

bool has_warpgroups(const Stream& stream) {
  const char* wanted = std::getenv("GRADFOLD_WGMMA");
  if (wanted != nullptr && std::string(wanted) == "off") return false;
  return stream.facts().major == 9 && stream.facts().minor == 0;
}

}  // namespace gradfold::cuda
