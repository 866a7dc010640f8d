// Marks what kernels of a CUDA device call too; nothing for other compilers.
#pragma once

#ifdef __CUDACC__
#define GRADFOLD_ON_DEVICE __host__ __device__
#else
#define GRADFOLD_ON_DEVICE
#endif
