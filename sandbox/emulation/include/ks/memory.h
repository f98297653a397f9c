// Atomics, loads and stores with cache hints, fences. Threads take turns, so an atomic is a plain read and write that the runtime
// is told about; a failing compare-and-swap lets other threads run, so that spin locks within a block end.
#pragma once
#include <time.h>  // clock(), here as on the device

#include "device.h"

namespace ks_emu {
template <class T, class Op>
KS_UNHOOKED T atomic_update(T* address, Op op) {
    ks_emu_atomic(address, sizeof(T), __builtin_return_address(0));
    const T old = *address;
    *address = op(old);
    return old;
}

template <class T>
KS_UNHOOKED T compare_and_swap(T* address, T expected, T desired) {
    ks_emu_atomic(address, sizeof(T), __builtin_return_address(0));
    const T old = *address;
    if (std::memcmp(&old, &expected, sizeof(T)) == 0) *address = desired;
    else ks_emu_yield();
    return old;
}
}  // namespace ks_emu

#define KS_ATOMIC(name, T, expression)                                                      \
    KS_INLINE T name(T* address, T value) {                                                 \
        return ks_emu::atomic_update(address, [value](T old) KS_OURS -> T { return expression; }); \
    }                                                                                       \
    KS_INLINE T name##_block(T* address, T value) { return name(address, value); }          \
    KS_INLINE T name##_system(T* address, T value) { return name(address, value); }

using ks_ull = unsigned long long;
KS_ATOMIC(atomicAdd, int, old + value)
KS_ATOMIC(atomicAdd, unsigned, old + value)
KS_ATOMIC(atomicAdd, ks_ull, old + value)
KS_ATOMIC(atomicAdd, float, old + value)
KS_ATOMIC(atomicAdd, double, old + value)
KS_ATOMIC(atomicSub, int, old - value)
KS_ATOMIC(atomicSub, unsigned, old - value)
KS_ATOMIC(atomicExch, int, value)
KS_ATOMIC(atomicExch, unsigned, value)
KS_ATOMIC(atomicExch, ks_ull, value)
KS_ATOMIC(atomicExch, float, value)
KS_ATOMIC(atomicMin, int, value < old ? value : old)
KS_ATOMIC(atomicMin, unsigned, value < old ? value : old)
KS_ATOMIC(atomicMin, long long, value < old ? value : old)
KS_ATOMIC(atomicMin, ks_ull, value < old ? value : old)
KS_ATOMIC(atomicMax, int, value > old ? value : old)
KS_ATOMIC(atomicMax, unsigned, value > old ? value : old)
KS_ATOMIC(atomicMax, long long, value > old ? value : old)
KS_ATOMIC(atomicMax, ks_ull, value > old ? value : old)
KS_ATOMIC(atomicAnd, int, old & value)
KS_ATOMIC(atomicAnd, unsigned, old & value)
KS_ATOMIC(atomicAnd, ks_ull, old & value)
KS_ATOMIC(atomicOr, int, old | value)
KS_ATOMIC(atomicOr, unsigned, old | value)
KS_ATOMIC(atomicOr, ks_ull, old | value)
KS_ATOMIC(atomicXor, int, old ^ value)
KS_ATOMIC(atomicXor, unsigned, old ^ value)
KS_ATOMIC(atomicXor, ks_ull, old ^ value)
KS_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
KS_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)

#define KS_CAS(T)                                                                           \
    KS_INLINE T atomicCAS(T* address, T expected, T desired) { return ks_emu::compare_and_swap(address, expected, desired); } \
    KS_INLINE T atomicCAS_block(T* address, T expected, T desired) { return ks_emu::compare_and_swap(address, expected, desired); }
KS_CAS(int)
KS_CAS(unsigned)
KS_CAS(ks_ull)
KS_CAS(unsigned short)
#undef KS_CAS

#define KS_LOAD(name) template <class T> KS_INLINE T name(const T* address) { return *address; }
#define KS_STORE(name) template <class T> KS_INLINE void name(T* address, std::type_identity_t<T> value) { *address = value; }
KS_LOAD(__ldg)
KS_LOAD(__ldca)
KS_LOAD(__ldcg)
KS_LOAD(__ldcs)
KS_LOAD(__ldcv)
KS_LOAD(__ldlu)
KS_STORE(__stwb)
KS_STORE(__stcg)
KS_STORE(__stcs)
KS_STORE(__stwt)
#undef KS_LOAD
#undef KS_STORE

// Threads take turns in one OS thread: only the compiler could reorder.
KS_INLINE void __threadfence() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
KS_INLINE void __threadfence_block() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
KS_INLINE void __threadfence_system() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
KS_INLINE void __nanosleep(unsigned) { ks_emu_yield(); }
KS_INLINE long long clock64() { return static_cast<long long>(ks_emu_clock()); }
KS_INLINE unsigned long long __globaltimer() { return ks_emu_clock(); }
[[noreturn]] KS_INLINE void __trap(int line = __builtin_LINE()) { ks_emu_trap("__trap()", line); }
KS_INLINE size_t __cvta_generic_to_shared(const void* address) { return reinterpret_cast<size_t>(address); }

