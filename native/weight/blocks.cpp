// Compiled with GRADFOLD_ISA=avx512, avx2 and baseline; uses no std:: templates, whose instances the linker would merge
// across instruction sets.
#include "blocks.h"

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif
#define GRADFOLD_STRING_OF(name) #name
#define GRADFOLD_STRING(name) GRADFOLD_STRING_OF(name)

namespace gradfold::GRADFOLD_ISA {
namespace {

using weight::Inverse;
using weight::Range;

#if defined(__AVX512F__)
constexpr int64_t kBytes = 64;
#elif defined(__AVX__)
constexpr int64_t kBytes = 32;
#else
constexpr int64_t kBytes = 16;
#endif
constexpr int64_t kLanes = kBytes / 8;  // of float64

typedef double Vec __attribute__((vector_size(kBytes)));
typedef int64_t Bits __attribute__((vector_size(kBytes)));
typedef double UnalignedVec __attribute__((vector_size(kBytes), aligned(alignof(double)), may_alias));
typedef float UnalignedHalf __attribute__((vector_size(kBytes / 2), aligned(alignof(float)), may_alias));

inline Vec load(const double* from) { return *reinterpret_cast<const UnalignedVec*>(from); }
inline Vec load(const float* from) {
  return __builtin_convertvector(*reinterpret_cast<const UnalignedHalf*>(from), Vec);
}
inline void store(double* to, Vec v) { *reinterpret_cast<UnalignedVec*>(to) = v; }

/// Σ of the lanes, by halves.
inline double sum(Vec v) {
  double lanes[kLanes];
  store(lanes, v);
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

/// exp((s − greatest) / τ). With n the nearest integer to x / ln 2, x the argument: x = n ln 2 + r, |r| ≤ ln 2 / 2
/// (Cody–Waite: ln 2 in two parts, n times the first exact), then eʳ = 1 + r + r² q(r), q the polynomial of degree 9
/// with the least relative error in eʳ (3.6e-18, found by Remez' exchange), then 2ⁿ by adding n to the exponent's bits.
struct Exponential {
  Vec greatest, high, low, high_log2e, lowest;

  Exponential(double greatest_, Inverse inverse)
      : greatest(Vec{} + greatest_),
        high(Vec{} + inverse.high),
        low(Vec{} + inverse.low),
        high_log2e(Vec{} + inverse.high * 1.4426950408889634),
        lowest(Vec{} + lowest_difference(inverse)) {}

  /// Differences of scores from which on the exponential is 0; finite, so that no difference is infinite.
  static double lowest_difference(Inverse inverse) {
    const double difference = -746.0 / inverse.high;
    return difference > -__DBL_MAX__ ? difference : -__DBL_MAX__;
  }

  template <bool deep>
  Vec of(Vec s) const {
    Vec d = s - greatest;
    if (deep) d = d > lowest ? d : lowest;
    const Vec round_shift = Vec{} + 6755399441055744.0;  // 1.5 · 2⁵²: adding it rounds to an integer
    const Vec shifted = d * high_log2e + round_shift;
    const Vec n = shifted - round_shift;
    Vec r = d * high - n * 0x1.62e42fefa3800p-1;
    r += d * low;
    r -= n * 0x1.ef35793c76730p-45;
    const Vec r2 = r * r, r4 = r2 * r2;
    const Vec q01 = 0.5000000000000011 + r * 0.1666666666666641;
    const Vec q23 = 0.041666666666529725 + r * 0.008333333333494976;
    const Vec q45 = 0.0013888888943759965 + r * 0.00019841269505773776;
    const Vec q67 = 2.480149294963387e-05 + r * 2.7557586803895326e-06;
    const Vec q89 = 2.76303062502936e-07 + r * 2.5000018833187374e-08;
    const Vec q = q01 + r2 * q23 + r4 * (q45 + r2 * q67 + r4 * q89);
    const Vec power = 1.0 + (r + r2 * q);
    // The low bits of `shifted` hold n; the others leave by the shift.
    const Bits exponent = reinterpret_cast<Bits>(shifted);
    Bits bits = reinterpret_cast<Bits>(power);
    if (!deep) {
      bits += exponent << 52;
      return reinterpret_cast<Vec>(bits);
    }
    // Below the normal numbers the last factor is a product, which rounds once.
    const Bits below = n < -996.0;
    bits += (exponent + (below & 128)) << 52;
    const Vec value = reinterpret_cast<Vec>(bits);
    return below ? value * 0x1p-128 : value;
  }
};

template <bool deep, typename Score>
double exponentials(const Score* scores, int64_t n, const Exponential& exponential, double* out) {
  Vec sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int64_t u = 0; u < 4; ++u) {
      const Vec e = exponential.of<deep>(load(scores + i + u * kLanes));
      sums[u] += e;
      store(out + i + u * kLanes, e);
    }
  }
  for (; i + kLanes <= n; i += kLanes) {
    const Vec e = exponential.of<deep>(load(scores + i));
    sums[0] += e;
    store(out + i, e);
  }
  double total = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  if (i < n) {
    Score padded[kLanes];
    for (int64_t lane = 0; lane < kLanes; ++lane) padded[lane] = scores[i + lane < n ? i + lane : i];
    double values[kLanes];
    store(values, exponential.of<deep>(load(padded)));
    for (int64_t lane = 0; i + lane < n; ++lane) total += out[i + lane] = values[lane];
  }
  return total;
}

template <typename Score>
double exponentials(const Score* scores, int64_t n, double greatest, Inverse temperature, bool deep, double* out) {
  const Exponential exponential(greatest, temperature);
  return deep ? exponentials<true>(scores, n, exponential, out) : exponentials<false>(scores, n, exponential, out);
}

template <typename Score>
Range range(const Score* scores, int64_t n) {
  typedef Score Scores __attribute__((vector_size(kBytes)));
  typedef Score Unaligned __attribute__((vector_size(kBytes), aligned(alignof(Score)), may_alias));
  constexpr int64_t lanes = kBytes / static_cast<int64_t>(sizeof(Score));
  Score least = scores[0], greatest = scores[0], odd = 0;  // odd: NaN once something is not finite
  int64_t i = 0;
  if (n >= lanes) {
    Scores low = Scores{} + least, high = low, strange = {};
    for (; i + lanes <= n; i += lanes) {
      const Scores v = *reinterpret_cast<const Unaligned*>(scores + i);
      low = v < low ? v : low;
      high = v > high ? v : high;
      strange += v - v;
    }
    for (int64_t lane = 0; lane < lanes; ++lane) {
      least = low[lane] < least ? low[lane] : least;
      greatest = high[lane] > greatest ? high[lane] : greatest;
      odd += strange[lane];
    }
  }
  for (; i < n; ++i) {
    least = scores[i] < least ? scores[i] : least;
    greatest = scores[i] > greatest ? scores[i] : greatest;
    odd += scores[i] - scores[i];
  }
  return {static_cast<double>(least), static_cast<double>(greatest), odd == 0};
}

void scale(double* x, int64_t n, double factor) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

double dot(const double* x, const double* y, int64_t n) {
  Vec sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int64_t u = 0; u < 4; ++u) sums[u] += load(x + i + u * kLanes) * load(y + i + u * kLanes);
  double total = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) total += x[i] * y[i];
  return total;
}

void backward(const double* w, const double* dw, int64_t n, double mean, Inverse temperature, double* out) {
  for (int64_t i = 0; i < n; ++i) {
    const double product = w[i] * (dw[i] - mean);
    out[i] = product * temperature.high + product * temperature.low;
  }
}

}  // namespace

const weight::Blocks* softmax_blocks() {
  static const weight::Blocks blocks{GRADFOLD_STRING(GRADFOLD_ISA),
                                     {range<float>, exponentials<float>},
                                     {range<double>, exponentials<double>},
                                     scale,
                                     dot,
                                     backward};
  return &blocks;
}

}  // namespace gradfold::GRADFOLD_ISA
