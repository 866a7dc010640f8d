// x_t = E[id_t] (+ P[position_t]) (+ K[type_t]), then normed where the architecture does so.
#pragma once

#include <memory>
#include <optional>

#include "norm.h"

namespace gradfold {

class Embedding {
 public:
  struct Tables {
    Weight tokens;                           // [vocabulary × hidden]
    std::optional<Weight> positions, types;  // [learned positions × hidden], [token types × hidden]
    std::unique_ptr<Norm> norm;              // or null
  };
  /// What backward needs where there is a norm.
  struct Saved {
    Dual sum;
    Norm::Saved norm;
  };

  explicit Embedding(Tables tables) : tables_(std::move(tables)) {}
  const Weight& tokens() const { return tables_.tokens; }
  bool has_positions() const { return tables_.positions.has_value(); }
  bool has_types() const { return tables_.types.has_value(); }

  Saved take_saved(Pass& pass) const;
  void forward(Pass& pass, const Saved& saved, const Dual& x) const;
  /// dx: gradient of x on entry, of the sum of rows on return.
  void backward_norm(Pass& pass, const Saved& saved, const Dual& dx) const;
  /// The tables' gradients from that of the sum of rows; with_tokens: the token table's too.
  void backward_tables(Pass& pass, const Dual& dsum, bool with_tokens) const;

 private:
  Tables tables_;
};

}  // namespace gradfold
