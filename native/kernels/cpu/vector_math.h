// Elementary functions in float32 without branches, calls or tables, so that the compiler vectorises the loops around
// them.
#pragma once

#include <cstdint>

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif

namespace gradfold::GRADFOLD_ISA {

/// eˣ within 2 ulp; 0 where the result would be subnormal, ∞ above FLT_MAX, NaN for NaN.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2 (Cody–Waite: ln 2 in two parts, n times the first exact), then eʳ by the
/// polynomial of Cephes' expf (S. L. Moshier), then 2ⁿ by adding n to the exponent's bits.
static inline float exp_float(float x) {
  const float round_shift = 12582912.0f;       // 1.5 · 2²³: adding it rounds to an integer
  const float largest = 88.72283172607421f;    // the largest float with a finite exponential
  const float smallest = -87.33654022216797f;  // the smallest one with a normal exponential
  const float shifted = x * 1.44269504088896341f + round_shift;
  const float n = shifted - round_shift;
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  uint32_t exponent, bits;  // the low bits of `shifted` hold n; the others leave by the shift
  __builtin_memcpy(&exponent, &shifted, sizeof exponent);
  __builtin_memcpy(&bits, &p, sizeof bits);
  bits += exponent << 23;
  float result;
  __builtin_memcpy(&result, &bits, sizeof result);
  result = x < smallest ? 0.0f : result;
  return x <= largest ? result : x + __builtin_inff();
}

/// The logistic function's two halves, each without cancellation: value = 1 / (1 + e⁻ˣ), rest = 1 − value.
struct Sigmoid {
  float value, rest;
};

static inline Sigmoid sigmoid(float x) {
  const float e = exp_float(x < 0 ? x : -x);
  const float larger = 1.0f / (1.0f + e);
  const float smaller = e * larger;
  return x < 0 ? Sigmoid{smaller, larger} : Sigmoid{larger, smaller};
}

/// silu(x) = x σ(x) and its first two derivatives: σ (1 + x (1 − σ)) and σ (1 − σ) (2 + x (1 − 2σ)).
struct Silu {
  float value, first, second;
};

static inline Silu silu(float x) {
  const Sigmoid s = sigmoid(x);
  return {x * s.value, s.value * (1.0f + x * s.rest), s.value * s.rest * (2.0f + x * (s.rest - s.value))};
}

}  // namespace gradfold::GRADFOLD_ISA
