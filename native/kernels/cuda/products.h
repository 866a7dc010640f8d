// What does the matrix products of a CUDA device.
#pragma once

#include <memory>

#include "../kernels.h"
#include "runtime.h"

namespace gradfold::cuda {

/// cuBLASLt with a handle and a workspace of its own, or nothing where that is not found.
class Products;

std::shared_ptr<Products> open_products(Stream& stream);
/// As Device::gemm() tells it.
const char* products_name(const Products& products, Type precision);
/// Whether products are the library's.
bool products_library(const Products& products);
/// Bytes of device memory that the library's products use, taken for good.
size_t products_workspace(const Products& products);

}  // namespace gradfold::cuda
