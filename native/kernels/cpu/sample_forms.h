// The forms that the statistics of a product can take. Each is told what is wanted of it by what is not null in a job,
// has its scratch taken for it beforehand, and throws nothing.
#pragma once

#include "../kernels.h"
#include "product.h"

#ifndef GRADFOLD_ISA
#error "compile with -DGRADFOLD_ISA=avx512, avx2 or baseline"
#endif

namespace gradfold::GRADFOLD_ISA {

/// A call of sample_products, or the part of it that one form takes.
struct SampleJob {
  ConstAnyMat g, x;
  SampleStatistics s;
  WeightTarget t;

  int64_t outputs() const { return g.cols; }
  int64_t inputs() const { return x.cols; }
  int64_t tokens(int64_t sample) const { return s.begin[sample + 1] - s.begin[sample]; }
};

struct SampleTeam {
  int threads;
  Product product;
  void* const* scratch;  // [threads], each of the bytes that the form asked for
};

/// g_i = G_iᵀ X_i a register tile at a time, reduced before it leaves the registers (sample_registers.cpp).
size_t register_form_bytes(const SampleJob& job, int threads, int thread);
void run_register_form(const SampleJob& job, const SampleTeam& team);

/// The same a cache tile at a time, formed by the device's product (sample_tiles.cpp). For samples of any length.
size_t tile_form_bytes(const SampleJob& job, int threads);
void run_tile_form(const SampleJob& job, const SampleTeam& team);

/// Norms, dots and Gram matrix without g_i, from products between tokens (sample_ghost.cpp).
size_t ghost_form_bytes(const SampleJob& job);
void run_ghost_form(const SampleJob& job, const SampleTeam& team);

/// Numbers of scratch that multiply wants for `lines` rows and columns of its result together.
int64_t multiply_numbers(int64_t lines);
/// c = op(a) op(b) on this thread, by the device's product; operands that it does not take are converted to float32
/// in `scratch`, a piece of the inner dimension at a time.
void multiply(Product product, ConstAnyMat a, bool transpose_a, ConstAnyMat b, bool transpose_b, Mat c, float* scratch);

}  // namespace gradfold::GRADFOLD_ISA
