#include "config.h"

#include "error.h"

namespace gradfold {

namespace {

/// The number of weights of a matrix of such sides, and of three side by side, is far from overflowing.
constexpr int64_t kMostOfSide = int64_t{1} << 30;

void check_side(int64_t side, const char* invariant) { check(side >= 1 && side <= kMostOfSide, invariant); }

}  // namespace

void check_config(const TransformerConfig& c) {
  check_side(c.vocabulary, "a vocabulary in [1, 2^30]");
  check_side(c.hidden, "a hidden width in [1, 2^30]");
  check_side(c.intermediate, "an intermediate width in [1, 2^30]");
  check_side(c.layers, "layers in [1, 2^30]");
  check_side(c.heads, "heads in [1, 2^30]");
  check_side(c.head_dim, "a head width in [1, 2^30]");
  check_side(c.heads * c.head_dim, "heads that are together at most 2^30 wide");
  check(c.kv_heads >= 1 && c.kv_heads <= c.heads && c.heads % c.kv_heads == 0, "key-value heads that divide the heads");
  check(c.learned_positions >= 0 && c.learned_positions <= kMostOfSide, "learned positions in [0, 2^30]");
  check(c.token_types >= 0 && c.token_types <= kMostOfSide, "token types in [0, 2^30]");
  check(c.window >= 0, "a window of positions");
  const auto pairs = static_cast<int64_t>(c.inverse_frequencies.size());
  check(pairs == 0 || 2 * pairs == c.head_dim, "one frequency a rotary pair");
}

}  // namespace gradfold
