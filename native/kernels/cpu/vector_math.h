// Elementary functions in float32 without branches, calls or tables, so that the compiler vectorises the loops around
// them. No condition is tested twice in one of them: the compiler would compute what stands between once for either
// outcome.
#pragma once

#include <cstdint>

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif

// Kernels of another device include this file with their own word for a function (kernels/cuda/vector_math.cuh).
#ifndef GRADFOLD_FUNCTION
#define GRADFOLD_FUNCTION static inline
#endif

namespace gradfold::GRADFOLD_ISA {

/// x = n ln 2 + r with |r| ≤ ln 2 / 2 (Cody–Waite: ln 2 in two parts, n times the first exact).
struct ExpArgument {
  float shifted, r;  // shifted: its low bits hold n
};

GRADFOLD_FUNCTION ExpArgument exp_argument(float x) {
  const float round_shift = 12582912.0f;  // 1.5 · 2²³: adding it rounds to an integer
  const float shifted = x * 1.44269504088896341f + round_shift;
  const float n = shifted - round_shift;
  return {shifted, x - n * 0.693359375f + n * 2.12194440e-4f};
}

/// eˣ by the polynomial of Cephes' expf for eʳ (S. L. Moshier), then 2ⁿ by adding n to the exponent's bits.
GRADFOLD_FUNCTION float exp_of(float x, ExpArgument a) {
  const float largest = 88.72283172607421f;    // the largest float with a finite exponential
  const float smallest = -87.33654022216797f;  // the smallest one with a normal exponential
  const float r = a.r;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  uint32_t exponent, bits;  // the bits of `shifted` above n leave by the shift
  __builtin_memcpy(&exponent, &a.shifted, sizeof exponent);
  __builtin_memcpy(&bits, &p, sizeof bits);
  bits += exponent << 23;
  float result;
  __builtin_memcpy(&result, &bits, sizeof result);
  result = x < smallest ? 0.0f : result;
  return x <= largest ? result : x + __builtin_inff();
}

/// eˣ within 2 ulp; 0 where the result would be subnormal, ∞ above FLT_MAX, NaN for NaN.
GRADFOLD_FUNCTION float exp_float(float x) { return exp_of(x, exp_argument(x)); }

/// The logistic function's two halves, each without cancellation: value = 1 / (1 + e⁻ˣ), rest = 1 − value.
struct Sigmoid {
  float value, rest;
};

GRADFOLD_FUNCTION Sigmoid sigmoid(float x) {
  const float e = exp_float(-__builtin_fabsf(x));
  const float larger = 1.0f / (1.0f + e);
  const float smaller = e * larger;
  return x < 0 ? Sigmoid{smaller, larger} : Sigmoid{larger, smaller};
}

/// The standard normal distribution: below = Φ(x) = (1 + erf(x / √2)) / 2, density = φ(x).
struct Normal {
  float below, density;
};

/// φ within 3 ulp, Φ within 7 in the left tail and 5 for x > −2, for |x| ≤ 16; 0 where e^(−x²/2) would be subnormal;
/// NaN for NaN.
///
/// Φ(−z) = φ(z) R(z) for z ≥ 0, with R Mills' ratio: nothing cancels in either tail. R(z) (z + k) is, within 0.3 ulp
/// for z ≤ 13.4, a polynomial of degree 9 in z / (z + k), a variable that keeps all bits of small z.
GRADFOLD_FUNCTION Normal normal(float x) {
  const float k = 2.5f;
  const float z = __builtin_fabsf(x);
  // z² in two parts, the first exact: rounding it would cost up to 60 ulp of its exponential.
  uint32_t bits;
  __builtin_memcpy(&bits, &z, sizeof bits);
  bits = (bits + 0x800u) & 0xfffff000u;
  float head;
  __builtin_memcpy(&head, &bits, sizeof head);
  const float exponent = -0.5f * (head * head);
  ExpArgument argument = exp_argument(exponent);
  argument.r -= 0.5f * ((z - head) * (z + head));
  const float e = exp_of(exponent, argument);
  const float inverse = 1.0f / (z + k), w = z * inverse;
  float p = -3.193557895e-02f;
  p = p * w + 1.121196814e-01f;
  p = p * w - 1.260256329e-01f;
  p = p * w + 5.612305034e-02f;
  p = p * w - 6.057767122e-02f;
  p = p * w + 2.270012383e-02f;
  p = p * w + 1.166787047e-01f;
  p = p * w + 6.785141327e-02f;
  p = p * w - 4.973573616e-01f;
  p = p * w + 5.000000073e-01f;
  const float lower = (e * (k * inverse)) * p;
  return {x < 0 ? lower : 1.0f - lower, e * 0.398942280401432678f};
}

/// A function's value and its first two derivatives at one place.
struct Activation {
  float value, first, second;
};

/// silu(x) = x σ(x); its derivatives are σ (1 + x (1 − σ)) and σ (1 − σ) (2 + x (1 − 2σ)).
GRADFOLD_FUNCTION Activation silu(float x) {
  const Sigmoid s = sigmoid(x);
  return {x * s.value, s.value * (1.0f + x * s.rest), s.value * s.rest * (2.0f + x * (s.rest - s.value))};
}

/// x held within ±16, where both forms of GELU are 0 or x: beyond, ∞ · 0 would be NaN. NaN for NaN.
GRADFOLD_FUNCTION float gelu_core(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const uint32_t size = bits & 0x7fffffffu, sixteen = 0x41800000u, infinite = 0x7f800000u;
  bits = (bits & 0x80000000u) | (size < sixteen ? size : sixteen) | -uint32_t(size > infinite);
  float core;
  __builtin_memcpy(&core, &bits, sizeof core);
  return core;
}

/// x Φ(x); its derivatives are Φ + x φ and φ (2 − x²). The value is within 5 ulp, 0 where Φ would be subnormal.
GRADFOLD_FUNCTION Activation gelu_erf(float x) {
  const float c = gelu_core(x);
  const Normal n = normal(c);
  return {(x > c ? x : c) * n.below, n.below + c * n.density, n.density * (2.0f - c * c)};
}

/// x (1 + tanh u) / 2 = x σ(v) with v = 2u = √(8/π) (x + 0.044715 x³), and so without the cancellation of 1 + tanh;
/// its derivatives are σ + x σ (1 − σ) v' and σ (1 − σ) (2 v' + x (v'' + v'² (1 − 2σ))). The value is within 5 + 2 |v|
/// ulp: v's own rounding.
GRADFOLD_FUNCTION Activation gelu_tanh(float x) {
  const float c = gelu_core(x), cubic = 0.044715f, slope = 1.59576912160573071f;
  const float square = c * c;
  const Sigmoid s = sigmoid(slope * c * (1.0f + cubic * square));
  const float v1 = slope * (1.0f + 3.0f * cubic * square), v2 = 6.0f * cubic * slope * c, both = s.value * s.rest;
  return {(x > c ? x : c) * s.value, s.value + c * both * v1,
          both * (2.0f * v1 + c * (v2 + v1 * v1 * (s.rest - s.value)))};
}

}  // namespace gradfold::GRADFOLD_ISA
