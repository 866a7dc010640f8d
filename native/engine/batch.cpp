#include "batch.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "error.h"

namespace gradfold {

namespace {

void check_table(const std::vector<int32_t>& rows, int64_t table, const char* name) {
  for (const int32_t row : rows) {
    if (row >= 0 && row < table) continue;
    throw Error("INVALID_ARGUMENT", std::string(name) + ": expected numbers in [0, " + std::to_string(table) +
                                        "), got " + std::to_string(row));
  }
}

}  // namespace

TokenBatch::TokenBatch(const PaddedBatch& padded, bool shifted) {
  segment_begin.push_back(0);
  sample_begin.push_back(0);
  prediction_begin.push_back(0);
  const auto close_segment = [&] {
    const auto end = static_cast<int32_t>(ids.size());
    if (end == segment_begin.back()) return;
    longest_segment = std::max(longest_segment, end - segment_begin.back());
    segment_begin.push_back(end);
  };
  const auto close_sample = [&] {
    sample_begin.push_back(static_cast<int32_t>(ids.size()));
    prediction_begin.push_back(static_cast<int32_t>(labels.size()));
  };

  for (int64_t row = 0; row < padded.batch; row++) {
    const int64_t start = row * padded.time;
    const auto is_token = [&](int64_t t) { return t < padded.time && padded.attention_mask[start + t] != 0; };
    const auto document = [&](int64_t t) { return padded.document_ids ? padded.document_ids[start + t] : 0; };
    for (int64_t t = 0; is_token(t); t++) {
      const bool first = t == 0 || document(t) != document(t - 1);
      if (first && t > 0) {
        close_segment();
        if (padded.sample_is_document) close_sample();
      }
      positions.push_back(first ? 0 : positions.back() + 1);
      const int64_t target = shifted ? t + 1 : t;
      const bool has_target = is_token(target) && document(target) == document(t);
      const int32_t label = has_target ? padded.labels[start + target] : -100;
      if (label != -100) {
        predicted.push_back(static_cast<int32_t>(ids.size()));
        labels.push_back(label);
      }
      ids.push_back(padded.input_ids[start + t]);
      types.push_back(padded.token_types ? padded.token_types[start + t] : 0);
    }
    close_segment();
    if (!padded.sample_is_document || is_token(0)) close_sample();
  }
}

void TokenBatch::check_rows(const TransformerConfig& config) const {
  check_table(ids, config.vocabulary, "token ids");
  check_table(labels, config.vocabulary, "labels");
  if (config.learned_positions > 0) check_table(positions, config.learned_positions, "positions");
  if (config.token_types > 0) check_table(types, config.token_types, "token types");
}

std::vector<double> TokenBatch::sample_means(const std::vector<double>& per_prediction) const {
  std::vector<double> means(samples(), 0.0);
  for (int64_t i = 0; i < samples(); i++) {
    const int32_t begin = prediction_begin[i], end = prediction_begin[i + 1];
    double sum = 0;
    for (int32_t r = begin; r < end; r++) sum += per_prediction[r];
    if (end > begin) means[i] = sum / (end - begin);
  }
  return means;
}

TokenGroups::TokenGroups(const std::vector<int32_t>& rows, const std::vector<int32_t>& sample_begin)
    : positions(rows.size()) {
  std::iota(positions.begin(), positions.end(), 0);
  // Samples are contiguous and in order, so a stable sort by row leaves equal rows ordered by sample.
  std::stable_sort(positions.begin(), positions.end(), [&](int32_t a, int32_t b) { return rows[a] < rows[b]; });
  std::vector<int32_t> sample_of(rows.size());
  for (size_t i = 0; i + 1 < sample_begin.size(); i++) {
    std::fill(sample_of.begin() + sample_begin[i], sample_of.begin() + sample_begin[i + 1], static_cast<int32_t>(i));
  }
  for (size_t p = 0; p < positions.size(); p++) {
    const int32_t row = rows[positions[p]], owner = sample_of[positions[p]];
    if (token.empty() || token.back() != row || sample.back() != owner) {
      token.push_back(row);
      sample.push_back(owner);
      begin.push_back(static_cast<int32_t>(p));
    }
  }
  begin.push_back(static_cast<int32_t>(positions.size()));
}

}  // namespace gradfold
