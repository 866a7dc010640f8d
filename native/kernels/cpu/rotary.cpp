// Rotary positions (Su et al. 2021, "RoFormer") in the rotate-half layout, in place. The map is linear and orthogonal,
// so its tangent is itself and its backward pass the turn in the other direction.
#include "cpu_device.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// One head of one token: (a, b) becomes (a cos − b sin, b cos + a sin), the sine times `sign`.
template <class T>
inline void turn(T* a, T* b, const float* cosine, const float* sine, float sign, int64_t half) {
#pragma omp simd
  for (int64_t j = 0; j < half; ++j) {
    const float s = sign * sine[j], first = to_float(a[j]), second = to_float(b[j]);
    a[j] = from_float<T>(first * cosine[j] - second * s);
    b[j] = from_float<T>(second * cosine[j] + first * s);
  }
}

}  // namespace

void CpuDevice::rotary(AnyMat x, int64_t heads, int64_t head_dim, const float* cos_sin, const int32_t* position,
                       int direction) {
  const int64_t half = head_dim / 2;
  const float sign = direction < 0 ? -1.0f : 1.0f;
  with_type(x.type, [&](auto number) {
    const auto tokens = view_as<decltype(number)>(x);
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t t = 0; t < tokens.rows; ++t) {
      const float* cosine = cos_sin + int64_t(position[t]) * head_dim;
      for (int64_t h = 0; h < heads; ++h) {
        auto* a = tokens.row(t) + h * head_dim;
        turn(a, a + half, cosine, cosine + half, sign, half);
      }
    }
  });
}

}  // namespace gradfold::GRADFOLD_ISA
