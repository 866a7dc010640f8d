// What of cuBLASLt's interface is used, declared anew so that neither header nor library is needed to build. Where the
// real header is, the compiler compares.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradfold::cuda::lt {

// Enumerations of cublasLt.h and library_types.h.
inline constexpr int kReal32 = 0, kRealBf16 = 14;
inline constexpr int kCompute32 = 68;  // float32 operands are not rounded to tf32
inline constexpr int kOpN = 0, kOpT = 1;
inline constexpr int kDescTransA = 3, kDescTransB = 4;
inline constexpr int kPreferenceWorkspace = 1, kPreferenceReductions = 3, kPreferenceAlignA = 5, kPreferenceAlignB = 6,
                     kPreferenceAlignC = 7, kPreferenceAlignD = 8;
/// Partial sums of a divided inner dimension meet in float32, in a step of their own: the same bits every time.
inline constexpr uint32_t kReduceInComputeType = 2;

struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  int state;  // 0: usable
  float waves;
  int reserved[4];
};
static_assert(sizeof(Heuristic) == 96);

// Handles are pointers; every function but the first returns 0 for success.
using GetVersion = size_t (*)();
using Create = int (*)(void** handle);
using Destroy = int (*)(void* handle);
using DescCreate = int (*)(void** desc, int compute, int scale);
using LayoutCreate = int (*)(void** layout, int type, uint64_t rows, uint64_t cols, int64_t leading);
using PreferenceCreate = int (*)(void** preference);
using SetAttribute = int (*)(void* object, int attribute, const void* value, size_t bytes);
using GetHeuristic = int (*)(void* handle, void* desc, void* a, void* b, void* c, void* d, void* preference, int asked,
                             Heuristic* results, int* found);
using Matmul = int (*)(void* handle, void* desc, const void* alpha, const void* a, void* a_layout, const void* b,
                       void* b_layout, const void* beta, const void* c, void* c_layout, void* d, void* d_layout,
                       const Algorithm* algorithm, void* workspace, size_t bytes, void* stream);

}  // namespace gradfold::cuda::lt

#if !defined(GRADFOLD_CUDA_EMULATION) && __has_include(<cublasLt.h>)
#include <cublasLt.h>

namespace gradfold::cuda::lt {

static_assert(kReal32 == CUDA_R_32F && kRealBf16 == CUDA_R_16BF);
static_assert(kCompute32 == CUBLAS_COMPUTE_32F && kOpN == CUBLAS_OP_N && kOpT == CUBLAS_OP_T);
static_assert(kDescTransA == CUBLASLT_MATMUL_DESC_TRANSA && kDescTransB == CUBLASLT_MATMUL_DESC_TRANSB);
static_assert(kPreferenceWorkspace == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES &&
              kPreferenceReductions == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK &&
              kPreferenceAlignA == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES &&
              kPreferenceAlignB == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES &&
              kPreferenceAlignC == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES &&
              kPreferenceAlignD == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
static_assert(kReduceInComputeType == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
static_assert(sizeof(Heuristic) == sizeof(cublasLtMatmulHeuristicResult_t) &&
              sizeof(Algorithm) == sizeof(cublasLtMatmulAlgo_t) &&
              offsetof(Heuristic, workspace) == offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) &&
              offsetof(Heuristic, state) == offsetof(cublasLtMatmulHeuristicResult_t, state));

}  // namespace gradfold::cuda::lt
#endif
