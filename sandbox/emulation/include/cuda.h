// The driver API's types only: a candidate that calls the driver is not emulated.
#pragma once
#include "ks_emulation.h"

using CUstream = cudaStream_t;
using CUdeviceptr = unsigned long long;
