#pragma once
#include "ks/small_float.h"
#include "ks_emulation.h"

using __half = ks_emu::SmallFloat<ks_emu::HalfFormat>;
using __half2 = ks_emu::SmallFloat2<ks_emu::HalfFormat>;
using half = __half;
using half2 = __half2;
KS_FORMAT(half, HalfFormat, half2)
