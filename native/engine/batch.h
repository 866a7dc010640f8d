// A batch without its padding: the tokens that exist, in row order, and the tables that say what belongs together.
#pragma once

#include <cstdint>
#include <vector>

#include "config.h"

namespace gradfold {

/// A padded batch as the caller holds it, row-major [batch, time]; checked by lib/data/batch.ts.
struct PaddedBatch {
  int64_t batch, time;
  const int32_t* input_ids;
  const int32_t* labels;          // −100: nothing to predict
  const uint8_t* attention_mask;  // 1 = token; padding on the right only
  const int32_t* document_ids;    // or null: every row is one document
  const int32_t* token_types;     // or null: all 0
  bool sample_is_document;        // else a sample is a row
};

struct TokenBatch {
  /// shifted: position t predicts label t + 1 of its document (next token); else label t (masked token).
  TokenBatch(const PaddedBatch& padded, bool shifted);

  /// Throws INVALID_ARGUMENT for a token, label, position or token type that the model's tables have no row for.
  void check_rows(const TransformerConfig& config) const;

  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }
  int64_t predictions() const { return static_cast<int64_t>(labels.size()); }
  int64_t samples() const { return static_cast<int64_t>(sample_begin.size()) - 1; }
  int64_t segments() const { return static_cast<int64_t>(segment_begin.size()) - 1; }

  std::vector<int32_t> ids;        // [N]
  std::vector<int32_t> positions;  // [N], restarting in every segment
  std::vector<int32_t> types;      // [N] token types
  std::vector<int32_t> segment_begin;
  std::vector<int32_t> sample_begin;      // token ranges
  std::vector<int32_t> predicted;         // [n] the token from which labels[r] is predicted
  std::vector<int32_t> labels;            // [n]
  std::vector<int32_t> prediction_begin;  // [samples + 1] prediction ranges
  int32_t longest_segment = 0;

  /// Mean over each sample's predictions; 0 where it has none.
  std::vector<double> sample_means(const std::vector<double>& per_prediction) const;
};

/// The tokens of a batch grouped by (row of a table, sample), rows ascending: see EmbeddingGroups. sample_begin: token
/// ranges of the samples, together all tokens.
struct TokenGroups {
  TokenGroups(const std::vector<int32_t>& rows, const std::vector<int32_t>& sample_begin);

  std::vector<int32_t> token, sample, begin, positions;
};

}  // namespace gradfold
