// Included before every candidate: nvcc, too, includes cuda_runtime.h unasked.
#pragma once
#include <limits.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>

#include "ks/device.h"
#include "ks/vectors.h"
#include "ks/math.h"
#include "ks/warp.h"
#include "ks/memory.h"
#include "ks/host.h"
#include "ks/launch.h"
#include "ks/unsupported.h"
