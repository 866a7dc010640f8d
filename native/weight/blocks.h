// The inner loops of softmax weights over a run of rows, compiled once per instruction set and chosen at run time.
#pragma once

#include <cstdint>

namespace gradfold::weight {

/// Rows that one call of a block kernel should be given: few enough for sums in float64 to stay exact to an ulp or two,
/// many enough for the call not to matter.
constexpr int64_t kBlockRows = 2048;

/// What a run of scores spans; least and greatest mean nothing where not all are finite.
struct Range {
  double least, greatest;
  bool finite;
};

/// 1 / τ in two float64 words, so that d (high + low) is as good as d / τ.
struct Inverse {
  double high, low;
};

/// Below this argument a weight may leave the normal numbers, whatever the number of rows.
constexpr double kDeep = -660.0;

/// Of float or double scores; n ≥ 1.
template <typename Score>
struct ScoreBlocks {
  /// The range of scores [n].
  Range (*range)(const Score* scores, int64_t n);
  /// Σ exp((s − greatest) / τ). No score is above `greatest`; where `deep` is false, no argument is below kDeep.
  double (*sum)(const Score* scores, int64_t n, double greatest, Inverse temperature, bool deep);
  /// out [n] receives factor · exp((s − greatest) / τ), 2⁻⁶³ ≤ factor ≤ 1, for a factor of 1 within 1.1 ulp of that
  /// argument's exponential, subnormal results included. Equal scores give equal results wherever they stand.
  /// `streamed`: past the caches, for results far larger than those.
  void (*exponentials)(const Score* scores, int64_t n, double greatest, Inverse temperature, bool deep, double factor,
                       bool streamed, double* out);
};

struct Blocks {
  const char* isa;
  ScoreBlocks<float> f32;
  ScoreBlocks<double> f64;
  /// Σ x y
  double (*dot)(const double* x, const double* y, int64_t n);
  /// out[i] = w[i] (dw[i] − mean) / τ; `streamed` as above
  void (*backward)(const double* w, const double* dw, int64_t n, double mean, Inverse temperature, bool streamed,
                   double* out);
};

/// Those of the widest instruction set of this processor.
const Blocks& blocks();

inline const ScoreBlocks<float>& blocks_of(const Blocks& all, const float*) { return all.f32; }
inline const ScoreBlocks<double>& blocks_of(const Blocks& all, const double*) { return all.f64; }

}  // namespace gradfold::weight
