// Rotary positions (Su et al. 2021, "RoFormer") in the rotate-half layout, in place. The map is linear and orthogonal,
// so its tangent is itself and its backward pass the turn in the other direction.
#include "cpu_device.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {

void CpuDevice::rotary(AnyMat x_, int64_t heads, int64_t head_dim, const float* cos_sin, const int32_t* position,
                       int direction) {
  const Mat x = f32(x_);
  const int64_t half = head_dim / 2;
  const float sign = direction < 0 ? -1.0f : 1.0f;
#pragma omp parallel for num_threads(threads_) schedule(static)
  for (int64_t t = 0; t < x.rows; ++t) {
    const float* cosine = cos_sin + int64_t(position[t]) * head_dim;
    const float* sine = cosine + half;
    for (int64_t h = 0; h < heads; ++h) {
      float* a = x.data + t * x.stride + h * head_dim;
      float* b = a + half;
#pragma omp simd
      for (int64_t j = 0; j < half; ++j) {
        const float s = sign * sine[j], first = a[j], second = b[j];
        a[j] = first * cosine[j] - second * s;
        b[j] = second * cosine[j] + first * s;
      }
    }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
