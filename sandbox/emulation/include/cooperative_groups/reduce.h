#pragma once
#include "../cooperative_groups.h"

namespace cooperative_groups {
template <class T> struct plus { KS_INLINE T operator()(T a, T b) const { return a + b; } };
template <class T> struct less { KS_INLINE T operator()(T a, T b) const { return b < a ? b : a; } };
template <class T> struct greater { KS_INLINE T operator()(T a, T b) const { return a < b ? b : a; } };
template <class T> struct bit_and { KS_INLINE T operator()(T a, T b) const { return a & b; } };
template <class T> struct bit_or { KS_INLINE T operator()(T a, T b) const { return a | b; } };
template <class T> struct bit_xor { KS_INLINE T operator()(T a, T b) const { return a ^ b; } };

// Over the lanes of a tile or coalesced group, in lane order; every lane gets the result.
template <class Group, class T, class Op>
KS_INLINE T reduce(const Group& group, T value, Op op, KS_LINE) {
    return ks_emu::warp_reduce(group.mask(), value, op, line);
}
}  // namespace cooperative_groups
