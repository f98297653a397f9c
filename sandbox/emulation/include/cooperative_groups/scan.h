#pragma once
#include "reduce.h"

namespace cooperative_groups {
template <class Group, class T, class Op>
KS_INLINE T inclusive_scan(const Group& group, T value, Op op, KS_LINE) {
    const unsigned rank = group.thread_rank();
    for (unsigned delta = 1; delta < group.size(); delta *= 2) {
        const T below = group.shfl_up(value, delta, line);
        if (rank >= delta) value = op(below, value);
    }
    return value;
}

template <class Group, class T>
KS_INLINE T inclusive_scan(const Group& group, T value, KS_LINE) {
    return inclusive_scan(group, value, plus<T>(), line);
}

template <class Group, class T>
KS_INLINE T exclusive_scan(const Group& group, T value, KS_LINE) {
    const T below = group.shfl_up(inclusive_scan(group, value, plus<T>(), line), 1, line);
    return group.thread_rank() == 0 ? T(0) : below;
}
}  // namespace cooperative_groups
