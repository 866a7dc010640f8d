// The products that the passes are compiled with: on AMX tiles where the compiler may use them, else in float32
// vectors.
#pragma once

#ifdef __AMX_BF16__
#include "amx_attention.h"
#else
#include "attention_operands.h"
#endif
