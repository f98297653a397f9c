// Barriers, shuffles and votes. Lanes wait in the runtime until every lane that the mask names has come or has ended.
#pragma once
#include "device.h"

KS_INLINE void __syncthreads(int line = __builtin_LINE()) { ks_emu_barrier(0, line); }
KS_INLINE int __syncthreads_count(int predicate, int line = __builtin_LINE()) { return static_cast<int>(ks_emu_barrier(predicate, line)); }
KS_INLINE int __syncthreads_or(int predicate, int line = __builtin_LINE()) { return ks_emu_barrier(predicate, line) != 0; }
KS_INLINE int __syncthreads_and(int predicate, int line = __builtin_LINE()) { return ks_emu_barrier(!predicate, line) == 0; }
KS_INLINE void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) { ks_emu_vote(mask, 0, line); }

KS_INLINE unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) { return ks_emu_vote(mask, predicate, line); }
KS_INLINE int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) { return ks_emu_vote(mask, predicate, line) != 0; }
KS_INLINE int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE()) { return ks_emu_vote(mask, !predicate, line) == 0; }
KS_INLINE unsigned __activemask(int line = __builtin_LINE()) { return ks_emu_active_mask(line); }

namespace ks_emu {
template <class T>
KS_INLINE uint64_t to_bits(const T& value) {
    static_assert(sizeof(T) <= 8, "a warp exchanges values of at most 8 bytes");
    uint64_t bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    return bits;
}

template <class T>
KS_INLINE T from_bits(uint64_t bits) {
    T value;
    __builtin_memcpy(static_cast<void*>(&value), &bits, sizeof(T));
    return value;
}

// Widths are powers of two up to 32; a source outside of the lane's segment means the lane's own value.
KS_INLINE int segment(int lane, int width) { return lane & ~(width - 1); }
}  // namespace ks_emu

template <class T>
KS_INLINE T __shfl_sync(unsigned mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
    const int lane = static_cast<int>(ks_emu_lane());
    return ks_emu::from_bits<T>(ks_emu_shuffle(mask, ks_emu::to_bits(value), ks_emu::segment(lane, width) | (source & (width - 1)), line));
}

template <class T>
KS_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
    const int lane = static_cast<int>(ks_emu_lane()), source = lane - static_cast<int>(delta);
    return ks_emu::from_bits<T>(
        ks_emu_shuffle(mask, ks_emu::to_bits(value), source < ks_emu::segment(lane, width) ? lane : source, line));
}

template <class T>
KS_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE()) {
    const int lane = static_cast<int>(ks_emu_lane()), source = lane + static_cast<int>(delta);
    return ks_emu::from_bits<T>(
        ks_emu_shuffle(mask, ks_emu::to_bits(value), source >= ks_emu::segment(lane, width) + width ? lane : source, line));
}

template <class T>
KS_INLINE T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, int line = __builtin_LINE()) {
    const int lane = static_cast<int>(ks_emu_lane()), source = lane ^ lane_mask;
    return ks_emu::from_bits<T>(
        ks_emu_shuffle(mask, ks_emu::to_bits(value), source >= ks_emu::segment(lane, width) + width ? lane : source, line));
}

template <class T>
KS_INLINE unsigned __match_any_sync(unsigned mask, T value, int line = __builtin_LINE()) {
    return ks_emu_match(mask, ks_emu::to_bits(value), line);
}

template <class T>
KS_INLINE unsigned __match_all_sync(unsigned mask, T value, int* all, int line = __builtin_LINE()) {
    const unsigned same = ks_emu_match(mask, ks_emu::to_bits(value), line), present = ks_emu_vote(mask, 1, line);
    *all = same == present;
    return *all ? same : 0;
}

namespace ks_emu {
template <class T, class Op>
KS_INLINE T warp_reduce(unsigned mask, T value, Op, int line) {
    return from_bits<T>(ks_emu_reduce(
        mask, to_bits(value), [](uint64_t a, uint64_t b) KS_OURS { return to_bits<T>(Op()(from_bits<T>(a), from_bits<T>(b))); }, line));
}

struct Plus { template <class T> KS_INLINE T operator()(T a, T b) const { return a + b; } };
struct Least { template <class T> KS_INLINE T operator()(T a, T b) const { return b < a ? b : a; } };
struct Greatest { template <class T> KS_INLINE T operator()(T a, T b) const { return a < b ? b : a; } };
struct BitAnd { template <class T> KS_INLINE T operator()(T a, T b) const { return a & b; } };
struct BitOr { template <class T> KS_INLINE T operator()(T a, T b) const { return a | b; } };
struct BitXor { template <class T> KS_INLINE T operator()(T a, T b) const { return a ^ b; } };
}  // namespace ks_emu

#define KS_REDUCE(name, T, op)                                                              \
    KS_INLINE T name(unsigned mask, T value, int line = __builtin_LINE()) {                 \
        return ks_emu::warp_reduce(mask, value, ks_emu::op(), line);                        \
    }
KS_REDUCE(__reduce_add_sync, unsigned, Plus)
KS_REDUCE(__reduce_add_sync, int, Plus)
KS_REDUCE(__reduce_min_sync, unsigned, Least)
KS_REDUCE(__reduce_min_sync, int, Least)
KS_REDUCE(__reduce_max_sync, unsigned, Greatest)
KS_REDUCE(__reduce_max_sync, int, Greatest)
KS_REDUCE(__reduce_and_sync, unsigned, BitAnd)
KS_REDUCE(__reduce_or_sync, unsigned, BitOr)
KS_REDUCE(__reduce_xor_sync, unsigned, BitXor)
#undef KS_REDUCE

// The forms without a mask ended with compute capability 7.0.
KS_UNSUPPORTED_CALL("__shfl without _sync") int __shfl(...);
KS_UNSUPPORTED_CALL("__shfl_up without _sync") int __shfl_up(...);
KS_UNSUPPORTED_CALL("__shfl_down without _sync") int __shfl_down(...);
KS_UNSUPPORTED_CALL("__shfl_xor without _sync") int __shfl_xor(...);
KS_UNSUPPORTED_CALL("__ballot without _sync") unsigned __ballot(...);
KS_UNSUPPORTED_CALL("__any without _sync") int __any(...);
KS_UNSUPPORTED_CALL("__all without _sync") int __all(...);
