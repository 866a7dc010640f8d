#include "statistics.h"

#include <string.h>

#include "integers.h"
#include "simd.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

bool wants_dots(const SampleStatistics& s) { return s.dots != nullptr && s.vectors > 0; }

int64_t norm_count(const SampleStatistics& s) { return s.norms2 != nullptr ? s.samples : 0; }
int64_t dot_count(const SampleStatistics& s) { return wants_dots(s) ? s.vectors * s.samples : 0; }
int64_t gram_count(const SampleStatistics& s) { return s.gram != nullptr ? s.samples * s.samples : 0; }

constexpr int64_t kSide = 4;

/// out[i][j] = ⟨a_i, b_j⟩ for kSide rows of each, of at most kShortBlock numbers in float32.
void dot_rows(const float* a, const float* b, int64_t stride, int64_t length, float out[kSide][kSide]) {
  Vec sums[kSide][kSide] = {};
  int64_t c = 0;
  for (; c + kLanes <= length; c += kLanes) {
    Vec bs[kSide];
#pragma GCC unroll 4
    for (int64_t j = 0; j < kSide; ++j) bs[j] = load(b + j * stride + c);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kSide; ++i) {
      const Vec ai = load(a + i * stride + c);
#pragma GCC unroll 4
      for (int64_t j = 0; j < kSide; ++j) sums[i][j] += ai * bs[j];
    }
  }
#pragma GCC unroll 4
  for (int64_t i = 0; i < kSide; ++i)
#pragma GCC unroll 4
    for (int64_t j = 0; j < kSide; ++j) {
      out[i][j] = sum(sums[i][j]);
      for (int64_t rest = c; rest < length; ++rest) out[i][j] += a[i * stride + rest] * b[j * stride + rest];
    }
}

}  // namespace

bool wants_samples(const SampleStatistics& s, const WeightTarget& t) {
  return s.norms2 != nullptr || wants_dots(s) || s.gram != nullptr || t.gradients != nullptr;
}

size_t partial_bytes(const SampleStatistics& s) {
  const int64_t numbers = norm_count(s) + dot_count(s) + gram_count(s);
  return (static_cast<size_t>(numbers) / 8 + 1) * 64;
}

PartialSums partial_at(void* memory, const SampleStatistics& s) {
  double* norms2 = static_cast<double*>(memory);
  double* dots = norms2 + norm_count(s);
  double* gram = dots + dot_count(s);
  return {s.norms2 != nullptr ? norms2 : nullptr, wants_dots(s) ? dots : nullptr, s.gram != nullptr ? gram : nullptr};
}

PartialSums zero_partial(void* memory, const SampleStatistics& s) {
  memset(memory, 0, partial_bytes(s));
  return partial_at(memory, s);
}

void add_partial(const SampleStatistics& s, const PartialSums& partial) {
  for (int64_t i = 0; i < norm_count(s); ++i) s.norms2[i] += partial.norms2[i];
  for (int64_t i = 0; i < dot_count(s); ++i) s.dots[i] += partial.dots[i];
  if (s.gram == nullptr) return;
  for (int64_t i = 0; i < s.samples; ++i)
    for (int64_t j = i; j < s.samples; ++j) {
      const double value = partial.gram[i * s.samples + j];
      s.gram[i * s.samples + j] += value;
      if (i != j) s.gram[j * s.samples + i] += value;
    }
}

void add_piece(const SampleStatistics& s, const WeightTarget& t, int64_t sample, const float* piece, int64_t offset,
               int64_t length, const PartialSums& sums) {
  // Block by block, so that the piece is read from the first-level cache however many numbers are wanted of it.
  for (int64_t first = 0; first < length; first += kShortBlock) {
    const int64_t count = least(kShortBlock, length - first);
    const float* p = piece + first;
    const int64_t at = offset + first;
    if (sums.norms2 != nullptr) sums.norms2[sample] += short_dot(p, p, count);
    if (sums.dots != nullptr)
      for (int64_t k = 0; k < s.vectors; ++k)
        sums.dots[k * s.samples + sample] += short_dot(p, t.vectors[k] + at, count);
    if (t.gradient != nullptr) add_scaled(t.gradient + at, s.weights[sample], p, count);
    if (t.gradients != nullptr) add_scaled(t.gradients[sample] + at, 1.0f, p, count);
  }
}

void add_gram(const float* pieces, int64_t stride, const int32_t* ids, int64_t count, int64_t length, int64_t samples,
              double* gram) {
  const auto sample = [ids](int64_t a) { return ids != nullptr ? ids[a] : a; };
  // Block by block, so that one block of all pieces stays in the cache while every pair meets.
  for (int64_t first = 0; first < length; first += kShortBlock) {
    const int64_t block = least(kShortBlock, length - first);
    for (int64_t a = 0; a < count; a += kSide)
      for (int64_t b = a; b < count; b += kSide) {
        const float *left = pieces + a * stride + first, *right = pieces + b * stride + first;
        const int64_t rows = least(kSide, count - a), cols = least(kSide, count - b);
        float dots[kSide][kSide];
        if (rows == kSide && cols == kSide)
          dot_rows(left, right, stride, block, dots);
        else
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < cols; ++j) dots[i][j] = short_dot(left + i * stride, right + j * stride, block);
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = a == b ? i : 0; j < cols; ++j)
            gram[sample(a + i) * samples + sample(b + j)] += static_cast<double>(dots[i][j]);
      }
  }
}

}  // namespace gradfold::GRADFOLD_ISA
