#pragma once
#include "ks/small_float.h"
#include "ks_emulation.h"

using __nv_bfloat16 = ks_emu::SmallFloat<ks_emu::BfloatFormat>;
using __nv_bfloat162 = ks_emu::SmallFloat2<ks_emu::BfloatFormat>;
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;
KS_FORMAT(bfloat16, BfloatFormat, bfloat162)
