// Norms, dots and Gram matrix of per-sample gradients from products between tokens, without any g_i (ghost norms:
// Goodfellow 2015, arXiv 1510.01799; with time: Li et al. 2021, arXiv 2110.05679):
//
//   ⟨g_i, g_j⟩ = Σ_{t ∈ i, u ∈ j} ⟨X_t, X_u⟩ ⟨G_t, G_u⟩,   ⟨g_i, V⟩ = Σ_{t ∈ i} ⟨G_t, V X_t⟩.
//
// Both are taken in blocks of tokens, so that scratch does not grow with the batch. Elements of the blocks are float32;
// sums over them are float64 over rows of a block.
#include <omp.h>

#include "integers.h"
#include "sample_forms.h"
#include "simd.h"
#include "statistics.h"
#include "typed.h"

namespace gradfold::GRADFOLD_ISA {
namespace {

/// Tokens of a block of the Gram matrix: two blocks of products stay in the second-level cache.
constexpr int64_t kGramTokens = 256;
/// Tokens of a block of norms, within one sample.
constexpr int64_t kNormTokens = 128;
/// A block of V X: tokens that pass and outputs of V that stay.
constexpr int64_t kDotTokens = 256, kDotOutputs = 128;

static_assert(kNormTokens <= kGramTokens && kDotTokens * kDotOutputs <= kGramTokens * kGramTokens);
static_assert(kGramTokens <= kShortBlock && kDotOutputs <= kShortBlock);

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

/// What one thread works in.
struct Desk {
  float* inputs;    // [kGramTokens × kGramTokens] ⟨X_t, X_u⟩, or V X
  float* outputs;   // [the same] ⟨G_t, G_u⟩
  float* row;       // [kDotOutputs] numbers of a row of G
  float* operands;  // of multiply
};

constexpr int64_t kBlockNumbers = kGramTokens * kGramTokens;

Desk desk_at(const SampleJob& job, void* memory) {
  float* numbers = reinterpret_cast<float*>(static_cast<char*>(memory) + partial_bytes(job.s));
  return {numbers, numbers + kBlockNumbers, numbers + 2 * kBlockNumbers, numbers + 2 * kBlockNumbers + kDotOutputs};
}

/// ⟨row t of a, row u of a⟩ for t of one range and u of another.
void meet_rows(Product product, const ConstAnyMat& a, Range left, Range right, float* out, const Desk& desk) {
  multiply(product, block(a, left.begin, left.size(), 0, a.cols), false, block(a, right.begin, right.size(), 0, a.cols),
           true, {out, left.size(), right.size(), right.size()}, desk.operands);
}

/// The desk's two blocks for the tokens of left against those of right.
void meet_tokens(const SampleJob& job, Product product, Range left, Range right, const Desk& desk) {
  meet_rows(product, job.x, left, right, desk.inputs, desk);
  meet_rows(product, job.g, left, right, desk.outputs, desk);
}

/// Σ over a rectangle of the desk's blocks, whose rows are `stride` long, of ⟨X_t, X_u⟩ ⟨G_t, G_u⟩.
double sum_rectangle(const Desk& desk, int64_t stride, Range rows, Range cols) {
  double total = 0.0;
  for (int64_t t = rows.begin; t < rows.end; ++t)
    total += static_cast<double>(
        short_dot(desk.inputs + t * stride + cols.begin, desk.outputs + t * stride + cols.begin, cols.size()));
  return total;
}

double squared_norm(const SampleJob& job, Product product, int64_t sample, const Desk& desk) {
  const int64_t begin = job.s.begin[sample], end = job.s.begin[sample + 1];
  double total = 0.0;
  for (int64_t t = begin; t < end; t += kNormTokens)
    for (int64_t u = t; u < end; u += kNormTokens) {
      const Range left{t, least(t + kNormTokens, end)}, right{u, least(u + kNormTokens, end)};
      meet_tokens(job, product, left, right, desk);
      total += (t == u ? 1.0 : 2.0) * sum_rectangle(desk, right.size(), {0, left.size()}, {0, right.size()});
    }
  return total;
}

/// The tokens of a sample that lie in a block, counted from its begin.
Range part_of(const SampleStatistics& s, int64_t sample, Range tokens) {
  const int64_t begin = s.begin[sample] > tokens.begin ? s.begin[sample] : tokens.begin;
  return {begin - tokens.begin, least(s.begin[sample + 1], tokens.end) - tokens.begin};
}

/// The first sample that has tokens at or after this one.
int64_t sample_of(const SampleStatistics& s, int64_t token) {
  int64_t low = 0, high = s.samples - 1;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (s.begin[middle + 1] <= token)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/// gram(i, j), i ≤ j, += what the tokens of left and right contribute; right is left or comes after it.
void add_block(const SampleJob& job, Product product, Range left, Range right, const Desk& desk, double* gram) {
  const SampleStatistics& s = job.s;
  meet_tokens(job, product, left, right, desk);
  for (int64_t i = sample_of(s, left.begin); i < s.samples && s.begin[i] < left.end; ++i) {
    const Range rows = part_of(s, i, left);
    if (rows.size() <= 0) continue;
    const int64_t first = sample_of(s, right.begin);
    for (int64_t j = first > i ? first : i; j < s.samples && s.begin[j] < right.end; ++j) {
      const Range cols = part_of(s, j, right);
      if (cols.size() <= 0) continue;
      // Pairs of tokens of one sample in two blocks stand for their mirror images as well.
      const double times = i == j && left.begin != right.begin ? 2.0 : 1.0;
      gram[i * s.samples + j] += times * sum_rectangle(desk, right.size(), rows, cols);
    }
  }
}

/// Part `index` of the tokens cut into parts of `size`.
Range nth(Range tokens, int64_t size, int64_t index) {
  const int64_t begin = tokens.begin + index * size;
  return {begin, least(begin + size, tokens.end)};
}

/// dots += the shares of the outputs [output, output + outputs) of the weight, for all tokens and vectors.
template <class T>
void add_dots(const SampleJob& job, Product product, Range tokens, int64_t output, int64_t outputs, const Desk& desk,
              double* dots) {
  const SampleStatistics& s = job.s;
  const View<const T> g = view_as<T>(job.g);
  const int64_t inputs = job.inputs();
  for (int64_t k = 0; k < s.vectors; ++k) {
    const ConstMat v{job.t.vectors[k] + output * inputs, outputs, inputs, inputs};
    for (int64_t begin = tokens.begin; begin < tokens.end; begin += kDotTokens) {
      const int64_t count = least(kDotTokens, tokens.end - begin);
      multiply(product, block(job.x, begin, count, 0, inputs), false, v, true, {desk.inputs, count, outputs, outputs},
               desk.operands);
      int64_t sample = sample_of(s, begin);
      for (int64_t t = 0; t < count; ++t) {
        while (s.begin[sample + 1] <= begin + t) ++sample;
        const T* row = g.row(begin + t) + output;
        for (int64_t c = 0; c < outputs; ++c) desk.row[c] = to_float(row[c]);
        dots[k * s.samples + sample] += static_cast<double>(short_dot(desk.row, desk.inputs + t * outputs, outputs));
      }
    }
  }
}

}  // namespace

size_t ghost_form_bytes(const SampleJob& job) {
  return partial_bytes(job.s) +
         static_cast<size_t>(2 * kBlockNumbers + kDotOutputs + multiply_numbers(2 * kGramTokens)) * sizeof(float);
}

void run_ghost_form(const SampleJob& job, const SampleTeam& team) {
  const SampleStatistics& s = job.s;
  const Range tokens{s.begin[0], s.begin[s.samples]};
  const int64_t blocks = ceil_div(tokens.size(), kGramTokens), strips = ceil_div(job.outputs(), kDotOutputs);
  for (int thread = 0; thread < team.threads; ++thread) zero_partial(team.scratch[thread], s);

#pragma omp parallel num_threads(team.threads)
  {
    void* memory = team.scratch[omp_get_thread_num()];
    const PartialSums sums = partial_at(memory, s);
    const Desk desk = desk_at(job, memory);

    if (sums.gram != nullptr) {
#pragma omp for schedule(static, 1)
      for (int64_t u = 0; u < blocks * blocks; ++u) {
        const int64_t a = u / blocks, b = u % blocks;
        if (a <= b)
          add_block(job, team.product, nth(tokens, kGramTokens, a), nth(tokens, kGramTokens, b), desk, sums.gram);
      }
      if (sums.norms2 != nullptr)
        for (int64_t i = 0; i < s.samples; ++i) sums.norms2[i] = sums.gram[i * s.samples + i];
    } else if (sums.norms2 != nullptr) {
#pragma omp for schedule(static, 1)
      for (int64_t i = 0; i < s.samples; ++i) sums.norms2[i] = squared_norm(job, team.product, i, desk);
    }
    if (sums.dots != nullptr) {
#pragma omp for schedule(static)
      for (int64_t u = 0; u < strips; ++u) {
        const int64_t output = u * kDotOutputs, outputs = least(kDotOutputs, job.outputs() - output);
        with_type(job.g.type, [&](auto number) {
          add_dots<decltype(number)>(job, team.product, tokens, output, outputs, desk, sums.dots);
        });
      }
    }
  }
  for (int thread = 0; thread < team.threads; ++thread) add_partial(s, partial_at(team.scratch[thread], s));
}

}  // namespace gradfold::GRADFOLD_ISA
