// Memory that a matrix product packs its operands into.
#pragma once

#include <cstddef>

namespace gradfold {

/// The calling thread's memory for one product at a time: 64-byte aligned, contents undefined, kept from call to call
/// and freed when the thread ends. Null when there is none: it is asked for inside parallel regions, which no exception
/// may leave.
void* product_workspace(size_t bytes) noexcept;

/// What a product does once it knows, outside its own parallel region, that a workspace was refused: throws
/// std::bad_alloc, or ends the process with a message where it was itself called inside one.
[[noreturn]] void refuse_product_workspace();

}  // namespace gradfold
