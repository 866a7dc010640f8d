// The exponential of softmax weights in vectors of this instruction set (GRADFOLD_ISA). Included by blocks.cpp, within
// no namespace.
#pragma once

#include "blocks.h"
#include "vectors.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Adding it rounds to an integer, which is then in the low bits: 1.5 · 2⁵².
constexpr double kRoundShift = 6755399441055744.0;

/// Where 2ⁿ may take a result below the normal numbers, the exponent is kept higher by kLift, and the last factor is
/// kDrop: a product, which rounds once.
constexpr double kBelow = -940;
constexpr int64_t kLift = 192;
constexpr double kDrop = 0x1p-192;

/// Differences of scores from which on factor · exp is 0; finite, so that no difference is infinite.
inline double lowest_difference(weight::Inverse inverse) {
  const double difference = -746.0 / inverse.high;
  return difference > -__DBL_MAX__ ? difference : -__DBL_MAX__;
}

#if defined(__AVX512F__)

/// 2^(j/16) as the nearest float64, and what is missing.
struct Root {
  double value, rest;
};
constexpr Root kRoots[16] = {
    {0x1.0000000000000p+0, 0.0},
    {0x1.0b5586cf9890fp+0, 0x1.8a62e4adc610bp-54},
    {0x1.172b83c7d517bp+0, -0x1.19041b9d78a76p-55},
    {0x1.2387a6e756238p+0, 0x1.9b07eb6c70573p-54},
    {0x1.306fe0a31b715p+0, 0x1.6f46ad23182e4p-55},
    {0x1.3dea64c123422p+0, 0x1.ada0911f09ebcp-55},
    {0x1.4bfdad5362a27p+0, 0x1.d4397afec42e2p-56},
    {0x1.5ab07dd485429p+0, 0x1.6324c054647adp-54},
    {0x1.6a09e667f3bcdp+0, -0x1.bdd3413b26456p-54},
    {0x1.7a11473eb0187p+0, -0x1.41577ee04992fp-55},
    {0x1.8ace5422aa0dbp+0, 0x1.6e9f156864b27p-54},
    {0x1.9c49182a3f090p+0, 0x1.c7c46b071f2bep-56},
    {0x1.ae89f995ad3adp+0, 0x1.7a1cd345dcc81p-54},
    {0x1.c199bdd85529cp+0, 0x1.11065895048ddp-55},
    {0x1.d5818dcfba487p+0, 0x1.2ed02d75b3707p-55},
    {0x1.ea4afa2a490dap+0, -0x1.e9c23179c2893p-54},
};

/// factor · exp((s − greatest) / τ) by a table (Tang 1989). With t the nearest integer to 16 x log2 e, x the argument,
/// and t = 16 n + j: exp(x) = 2ⁿ 2^(j/16) 2^(r/16), |r| ≤ 1/2. The roots times the factor lie in two registers;
/// 2^(r/16) = 1 + r q(r), q the polynomial of degree 5 with the least relative error in it (7.8e-18, found by Remez'
/// exchange). The multiplier 16 log2 e / τ is two words, so that r is exact to the rounding of one fused product.
class Exponential {
 public:
  Exponential(double greatest, weight::Inverse inverse, double factor)
      : greatest_(Vec{} + greatest), lowest_(Vec{} + lowest_difference(inverse)) {
    const double high = inverse.high * kLog2e;
    const double low = __builtin_fma(inverse.high, kLog2e, -high) + inverse.high * kLog2eRest + inverse.low * kLog2e;
    high_ = Vec{} + high;
    low_ = Vec{} + low;
    for (int64_t j = 0; j < 16; ++j) {
      const double root = __builtin_fma(factor, kRoots[j].value, factor * kRoots[j].rest);
      roots_[j / kLanes][j % kLanes] = root;
    }
    // Less j in the place to which t is shifted, below the exponent: adding 16 n + j there adds n to the exponent.
    for (int64_t half = 0; half < 2; ++half) {
      Bits bits = reinterpret_cast<Bits>(roots_[half]);
      for (int64_t lane = 0; lane < kLanes; ++lane) bits[lane] -= (half * kLanes + lane) << kShift;
      roots_[half] = reinterpret_cast<Vec>(bits);
    }
  }

  template <bool deep>
  Vec of(Vec s) const {
    Vec d = s - greatest_;
    if (deep) d = d > lowest_ ? d : lowest_;
    const Vec shifted = fused(d, high_, Vec{} + kRoundShift);
    const Vec t = shifted - kRoundShift;
    const Vec r = fused(d, low_, fused(d, high_, -t));
    Vec q = Vec{} + 9.181084955460772e-12;
    q = fused(r, q, Vec{} + 1.271612053756534e-09);
    q = fused(r, q, Vec{} + 1.4676100331333002e-07);
    q = fused(r, q, Vec{} + 1.3550807776390235e-05);
    q = fused(r, q, Vec{} + 0.0009383847928089782);
    q = fused(r, q, Vec{} + 0.04332169878499668);
    const Vec small = r * q;
    const Bits index = reinterpret_cast<Bits>(shifted), exponent = index << kShift;
    const Vec root = _mm512_permutex2var_pd(roots_[0], reinterpret_cast<__m512i>(index), roots_[1]);
    Bits bits = reinterpret_cast<Bits>(root) + exponent;
    const Bits below = t < 16 * kBelow;
    if (deep) bits += (below & kLift) << 52;
    const Vec scaled = reinterpret_cast<Vec>(bits);
    const Vec value = fused(scaled, small, scaled);
    if (!deep) return value;
    return below ? value * kDrop : value;
  }

 private:
  static constexpr double kLog2e = 0x1.71547652b82fep+4, kLog2eRest = 0x1.777d0ffda0d24p-52;  // 16 log2 e
  static constexpr int kShift = 48;

  Vec greatest_, lowest_, high_, low_;
  Vec roots_[2];
};

#else

/// factor · exp((s − greatest) / τ). With n the nearest integer to x / ln 2, x the argument: x = n ln 2 + r,
/// |r| ≤ ln 2 / 2 (Cody–Waite: ln 2 in two parts, n times the first exact), then eʳ = 1 + r + r² q(r), q the polynomial
/// of degree 9 with the least relative error in eʳ (3.6e-18, found by Remez' exchange), then 2ⁿ by adding n to the
/// exponent's bits.
class Exponential {
 public:
  Exponential(double greatest, weight::Inverse inverse, double factor)
      : greatest_(Vec{} + greatest),
        high_(Vec{} + inverse.high),
        low_(Vec{} + inverse.low),
        high_log2e_(Vec{} + inverse.high * 1.4426950408889634),
        lowest_(Vec{} + lowest_difference(inverse)),
        factor_(Vec{} + factor) {}

  template <bool deep>
  Vec of(Vec s) const {
    Vec d = s - greatest_;
    if (deep) d = d > lowest_ ? d : lowest_;
    const Vec shifted = fused(d, high_log2e_, Vec{} + kRoundShift);
    const Vec n = shifted - kRoundShift;
    Vec r = fused(-n, Vec{} + 0x1.62e42fefa3800p-1, d * high_);
    r = fused(d, low_, r);
    r = fused(-n, Vec{} + 0x1.ef35793c76730p-45, r);
    const Vec r2 = r * r, r4 = r2 * r2;
    const Vec q01 = line(r, 0.5000000000000011, 0.1666666666666641);
    const Vec q23 = line(r, 0.041666666666529725, 0.008333333333494976);
    const Vec q45 = line(r, 0.0013888888943759965, 0.00019841269505773776);
    const Vec q67 = line(r, 2.480149294963387e-05, 2.7557586803895326e-06);
    const Vec q89 = line(r, 2.76303062502936e-07, 2.5000018833187374e-08);
    const Vec q = fused(r4, fused(r4, q89, fused(r2, q67, q45)), fused(r2, q23, q01));
    const Vec power = factor_ * (1.0 + fused(r2, q, r));
    // The low bits of `shifted` hold n; the others leave by the shift.
    const Bits exponent = reinterpret_cast<Bits>(shifted);
    Bits bits = reinterpret_cast<Bits>(power) + (exponent << 52);
    const Bits below = n < kBelow;
    if (deep) bits += (below & kLift) << 52;
    const Vec value = reinterpret_cast<Vec>(bits);
    if (!deep) return value;
    return below ? value * kDrop : value;
  }

 private:
  static Vec line(Vec r, double constant, double slope) { return fused(r, Vec{} + slope, Vec{} + constant); }

  Vec greatest_, high_, low_, high_log2e_, lowest_, factor_;
};

#endif

}  // namespace
}  // namespace gradfold::GRADFOLD_ISA
