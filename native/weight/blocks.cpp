// Compiled with GRADFOLD_ISA=avx512, avx2 and baseline; uses no std:: templates, whose instances the linker would merge
// across instruction sets.
#include "blocks.h"

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif
#define GRADFOLD_STRING_OF(name) #name
#define GRADFOLD_STRING(name) GRADFOLD_STRING_OF(name)

#include "exponential.h"
#include "vectors.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

using weight::Inverse;
using weight::Range;

/// Sums and extremes that run side by side, so that none waits for its last step.
constexpr int64_t kSums = 4;

/// Of fewer scores than lanes: 0 < n < kLanes.
template <bool deep, typename Score>
void few(const Score* scores, int64_t n, const Exponential& exponential, double* out) {
  Score padded[kLanes];
  for (int64_t lane = 0; lane < kLanes; ++lane) padded[lane] = scores[lane < n ? lane : 0];
  double values[kLanes];
  store(values, exponential.of<deep>(load(padded)));
  for (int64_t lane = 0; lane < n; ++lane) out[lane] = values[lane];
}

template <bool deep, typename Score>
double sum(const Score* scores, int64_t n, const Exponential& exponential) {
  Vec sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums * kLanes <= n; i += kSums * kLanes) {
    // The next block comes in meanwhile: its range, asked for first, would wait for memory alone.
    for (uint64_t line = 0; line < kSums * kLanes * sizeof(Score); line += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(scores + i + weight::kBlockRows) + line);
    for (int64_t u = 0; u < kSums; ++u) sums[u] += exponential.of<deep>(load(scores + i + u * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) sums[0] += exponential.of<deep>(load(scores + i));
  double total = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  if (i < n) {
    double values[kLanes];
    few<deep>(scores + i, n - i, exponential, values);
    for (int64_t lane = 0; i + lane < n; ++lane) total += values[lane];
  }
  return total;
}

template <typename Score>
double sum(const Score* scores, int64_t n, double greatest, Inverse temperature, bool deep) {
  const Exponential exponential(greatest, temperature, 1);
  return deep ? sum<true>(scores, n, exponential) : sum<false>(scores, n, exponential);
}

template <bool deep, typename Score>
void exponentials(const Score* scores, int64_t n, const Exponential& exponential, bool streamed, double* out) {
  int64_t i = 0;
  if (streamed) {
    i = rows_to_alignment(out, n);
    if (i > 0) few<deep>(scores, i, exponential, out);
    for (; i + kLanes <= n; i += kLanes) stream(out + i, exponential.of<deep>(load(scores + i)));
    finish_stream();
  } else {
    for (; i + kLanes <= n; i += kLanes) store(out + i, exponential.of<deep>(load(scores + i)));
  }
  if (i < n) few<deep>(scores + i, n - i, exponential, out + i);
}

template <typename Score>
void exponentials(const Score* scores, int64_t n, double greatest, Inverse temperature, bool deep, double factor,
                  bool streamed, double* out) {
  const Exponential exponential(greatest, temperature, factor);
  if (deep) {
    exponentials<true>(scores, n, exponential, streamed, out);
  } else {
    exponentials<false>(scores, n, exponential, streamed, out);
  }
}

template <typename Score>
Range range(const Score* scores, int64_t n) {
  typedef Score Scores __attribute__((vector_size(kBytes)));
  typedef Score Unaligned __attribute__((vector_size(kBytes), aligned(alignof(Score)), may_alias));
  constexpr int64_t lanes = kBytes / static_cast<int64_t>(sizeof(Score));
  Score least = scores[0], greatest = scores[0], odd = 0;  // odd: NaN once something is not finite
  int64_t i = 0;
  if (n >= kSums * lanes) {
    Scores low[kSums], high[kSums], strange[kSums] = {};
    for (int64_t u = 0; u < kSums; ++u) low[u] = high[u] = Scores{} + least;
    for (; i + kSums * lanes <= n; i += kSums * lanes) {
      for (int64_t u = 0; u < kSums; ++u) {
        const Scores v = *reinterpret_cast<const Unaligned*>(scores + i + u * lanes);
        low[u] = v < low[u] ? v : low[u];
        high[u] = v > high[u] ? v : high[u];
        strange[u] += v * 0;
      }
    }
    for (int64_t u = 1; u < kSums; ++u) {
      low[0] = low[u] < low[0] ? low[u] : low[0];
      high[0] = high[u] > high[0] ? high[u] : high[0];
      strange[0] += strange[u];
    }
    for (int64_t lane = 0; lane < lanes; ++lane) {
      least = low[0][lane] < least ? low[0][lane] : least;
      greatest = high[0][lane] > greatest ? high[0][lane] : greatest;
      odd += strange[0][lane];
    }
  }
  for (; i < n; ++i) {
    least = scores[i] < least ? scores[i] : least;
    greatest = scores[i] > greatest ? scores[i] : greatest;
    odd += scores[i] * 0;
  }
  return {static_cast<double>(least), static_cast<double>(greatest), odd == 0};
}

double dot(const double* x, const double* y, int64_t n) {
  Vec sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums * kLanes <= n; i += kSums * kLanes)
    for (int64_t u = 0; u < kSums; ++u) sums[u] += load(x + i + u * kLanes) * load(y + i + u * kLanes);
  double total = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) total += x[i] * y[i];
  return total;
}

void backward(const double* w, const double* dw, int64_t n, double mean, Inverse temperature, bool streamed,
              double* out) {
  // Of vectors and of single numbers.
  const auto of = [&](auto weight, auto gradient) {
    const auto product = weight * (gradient - mean);
    return product * temperature.high + product * temperature.low;
  };
  int64_t i = 0;
  if (streamed) {
    for (const int64_t head = rows_to_alignment(out, n); i < head; ++i) out[i] = of(w[i], dw[i]);
    for (; i + kLanes <= n; i += kLanes) stream(out + i, of(load(w + i), load(dw + i)));
    finish_stream();
  } else {
    for (; i + kLanes <= n; i += kLanes) store(out + i, of(load(w + i), load(dw + i)));
  }
  for (; i < n; ++i) out[i] = of(w[i], dw[i]);
}

}  // namespace

const weight::Blocks* softmax_blocks() {
  static const weight::Blocks blocks{GRADFOLD_STRING(GRADFOLD_ISA),
                                     {range<float>, sum<float>, exponentials<float>},
                                     {range<double>, sum<double>, exponentials<double>},
                                     dot,
                                     backward};
  return &blocks;
}

}  // namespace gradfold::GRADFOLD_ISA
