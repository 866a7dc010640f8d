// Opens a CUDA device.
#pragma once

#include <memory>

#include "../kernels.h"

namespace gradfold {

/// device: its number, from 0. Throws std::invalid_argument, saying what there is, where there is no such device or it
/// is too old; cuda::DeviceError where the driver fails.
std::unique_ptr<Device> open_cuda_device(int device, Type precision);

}  // namespace gradfold
