// Seeded random projections of per-sample gradients, for retrieval by gradient features: neither the projection nor a
// sample's gradient ever exists.
//
// A matrix of gradients g [R × C], a tensor as it is stored, is projected by a Kronecker product of sign matrices,
// share[p b + q] = (1/√k) Σ P[r, p] g[r, c] Q[c, q] with P [R × a], Q [C × b], a b = k: for a weight whose gradient is
// LᵀR that is Σ_t (P L_t) ⊗ (Q R_t). A vector of n gradients, or a matrix of one row, is projected by one sign matrix
// [n × k]. The shares of all tensors add up, and E⟨sketch_i, sketch_j⟩ = ⟨g_i, g_j⟩ (signs of different entries are
// independent).
#pragma once

#include "pass.h"

namespace gradfold {

void sketch_products(Pass& pass, const Weight& w, ConstAnyMat left, ConstAnyMat right, const Ranges& ranges);
void sketch_rows(Pass& pass, const Weight& w, ConstMat rows);
void sketch_embedding(Pass& pass, const Weight& w, const int32_t* index, ConstMat dx);

}  // namespace gradfold
