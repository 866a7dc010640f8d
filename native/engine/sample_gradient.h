// What every layer does with the per-sample gradients of its weights: statistics, weighted sum and sketch, wherever
// the pass wants them.
#pragma once

#include "pass.h"

namespace gradfold {

/// g_i = L_iᵀ R_i over the rows of sample i; left [· × w.rows], right [· × w.cols], divided by `ranges`.
void add_sample_products(Pass& pass, const Weight& w, ConstAnyMat left, ConstAnyMat right, const Ranges& ranges);

/// g_i given as row i of `rows` [samples × (w.rows · w.cols)].
void add_sample_rows(Pass& pass, const Weight& w, ConstMat rows);

/// g_i = Σ_t dx_t in row index[t] of a table, over the tokens of sample i.
void add_sample_embedding(Pass& pass, const Weight& w, const TableIndex& index, ConstMat dx);

}  // namespace gradfold
