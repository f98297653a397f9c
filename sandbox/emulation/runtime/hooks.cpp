// What g++ -fsanitize=thread and -fsanitize-coverage=trace-pc call: our own definitions, in place of libtsan's. Every access of a
// kernel that is not provably to a local variable comes through here, is checked, and counted in sampled blocks.
#include "../include/ks/host.h"
#include "counters.h"
#include "engine.h"

using namespace ks_emu;

#define KS_HOT inline __attribute__((always_inline))
#define KS_COLD __attribute__((noinline, cold))

namespace ks_emu {

static KS_COLD void host_access(uintptr_t address, unsigned size, bool write, const void* pc) {
    // Our own process may; a launcher that dereferences a device pointer would crash on hardware.
    fail(cudaErrorIllegalAddress, "out-of-bounds",
         std::string("host code ") + (write ? "writes " : "reads ") + describe_address(address, size) +
             ", which only a kernel or cudaMemcpy may do",
         0, pc);
}

static KS_COLD void misaligned(uintptr_t address, unsigned size, bool write, const void* pc) {
    fail(cudaErrorMisalignedAddress, "misaligned",
         std::string(write ? "writes " : "reads ") + std::to_string(size) + " bytes at an address that is not a multiple of " +
             std::to_string(size) + ", " + describe_address(address, size),
         0, pc);
}

static KS_COLD void outside(uintptr_t address, unsigned size, bool write, const void* pc) {
    const std::string what = std::string(write ? "writes " : "reads ") + std::to_string(size) + " bytes ";
    const auto dynamic = reinterpret_cast<uintptr_t>(ks_emu_dynamic_shared);
    constexpr uintptr_t near = 64 * 1024;
    std::string where = describe_address(address, size);
    if (address - dynamic < kDynamicReserved)
        where = "at offset " + std::to_string(address - dynamic) + ", past the end of the block's " +
                std::to_string(engine.dynamic_shared) + " bytes of dynamic shared memory";
    else if (address - engine.static_shared < engine.static_shared_size + near)
        where += ", not far past the end of the block's static shared memory";
    else if (engine.static_shared - address < near) where += ", not far before the start of the block's static shared memory";
    else if (dynamic - address < near) where += ", not far before the start of the block's dynamic shared memory";
    fail(cudaErrorIllegalAddress, "out-of-bounds", what + where, 0, pc);
}

static KS_HOT void access_global(uintptr_t address, unsigned size, Op op, const void* pc) {
    const bool write = op != Op::Load;
    if (__builtin_expect(!engine.running, 0)) return host_access(address, size, write, pc);
    const Allocation* a = arena.find(address);
    if (__builtin_expect(!a || address + size > a->end || (write && a->readonly), 0)) {
        check_range(address, size, write, pc);
        return;
    }
    if (__builtin_expect(address & (size - 1), 0)) return misaligned(address, size, write, pc);
    if (engine.instrument) {
        mark_footprint(address, op);
        if (engine.counting) count_access(address, size, Space::Global, op, pc);
    }
}

static KS_HOT void access_shared(uintptr_t address, unsigned size, Op op, const void* pc) {
    if (__builtin_expect(address & (size - 1), 0)) return misaligned(address, size, op != Op::Load, pc);
    if (engine.counting) count_access(address, size, Space::Shared, op, pc);
}

static void access_other(uintptr_t address, unsigned size, Op op, const void* pc) {
    const uintptr_t dynamic = address - reinterpret_cast<uintptr_t>(ks_emu_dynamic_shared);
    if (address - engine.stacks < engine.stacks_size) return;
    if (dynamic < engine.dynamic_shared && dynamic + size <= engine.dynamic_shared) return access_shared(address, size, op, pc);
    // The object's own variables: __constant__ and __device__ ones cannot be told apart, reads of either count as constant.
    if (address - engine.image >= engine.image_end - engine.image || dynamic < kDynamicReserved)
        return outside(address, size, op != Op::Load, pc);
    if (address & (size - 1)) return misaligned(address, size, op != Op::Load, pc);
    if (engine.counting) count_access(address, size, op == Op::Load ? Space::Constant : Space::Global, op, pc);
}

static KS_HOT void access(const void* at, unsigned size, Op op, const void* pc) {
    const auto address = reinterpret_cast<uintptr_t>(at);
    if (arena.holds(address)) access_global(address, size, op, pc);
    else if (address - engine.static_shared < engine.static_shared_size) access_shared(address, size, op, pc);
    else if (engine.running) access_other(address, size, op, pc);
}

// Accesses that the compiler does not know to be aligned, and aggregates: the device splits them by what it can prove.
static void access_pieces(const void* at, size_t size, Op op, const void* pc) {
    const auto address = reinterpret_cast<uintptr_t>(at);
    const unsigned piece = (address | size) % 4 == 0 ? 4 : 1;
    for (size_t offset = 0; offset < size; offset += piece) access(reinterpret_cast<const void*>(address + offset), piece, op, pc);
}

static void access_unaligned(const void* at, unsigned size, Op op, const void* pc) {
    if (reinterpret_cast<uintptr_t>(at) % size == 0) access(at, size, op, pc);
    else access_pieces(at, size, op, pc);
}

// Fuel is spent in every basic block. In a sampled block there never is any, so that each comes here and is counted.
static KS_COLD void out_of_fuel(const void* pc) {
    static int64_t counted = 0;
    if (!engine.running) {
        engine.fuel = INT64_MAX;
        return;
    }
    if (engine.counting) {
        engine.fuel = 0;
        count_basic_block(pc);
        if (++counted % 20'000'000 != 0) return;
    }
    ks_emu_yield();
}

}  // namespace ks_emu

extern "C" {
#define KS_SIZE(n) \
    KS_HIDDEN void __tsan_read##n(void* p) { access(p, n, Op::Load, __builtin_return_address(0)); } \
    KS_HIDDEN void __tsan_write##n(void* p) { access(p, n, Op::Store, __builtin_return_address(0)); }
KS_SIZE(1)
KS_SIZE(2)
KS_SIZE(4)
KS_SIZE(8) KS_SIZE(16)
#define KS_UNALIGNED(n) \
    KS_HIDDEN void __tsan_unaligned_read##n(void* p) { access_unaligned(p, n, Op::Load, __builtin_return_address(0)); } \
    KS_HIDDEN void __tsan_unaligned_write##n(void* p) { access_unaligned(p, n, Op::Store, __builtin_return_address(0)); }
    KS_UNALIGNED(2) KS_UNALIGNED(4) KS_UNALIGNED(8) KS_UNALIGNED(16) KS_HIDDEN void __tsan_read_range(void* p, size_t n) {
    access_pieces(p, n, Op::Load, __builtin_return_address(0));
}
KS_HIDDEN void __tsan_write_range(void* p, size_t n) { access_pieces(p, n, Op::Store, __builtin_return_address(0)); }

KS_HIDDEN void ks_emu_atomic(const void* p, unsigned size, const void* pc) { access(p, size, Op::Atomic, pc); }

KS_HIDDEN void __sanitizer_cov_trace_pc(void) {
    if (__builtin_expect(--engine.fuel < 0, 0)) out_of_fuel(__builtin_return_address(0));
}

KS_HIDDEN void __tsan_init(void) {}
KS_HIDDEN void __tsan_func_entry(void*) {}
KS_HIDDEN void __tsan_func_exit(void) {}
KS_HIDDEN void __tsan_vptr_update(void**, void*) {}
KS_HIDDEN void __tsan_vptr_read(void**) {}

// std::atomic and the guards of static variables, in host code.
#define KS_ATOMIC_WIDTH(bits) \
    using a##bits = uint##bits##_t; \
    KS_HIDDEN a##bits __tsan_atomic##bits##_load(const volatile a##bits* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
    KS_HIDDEN void __tsan_atomic##bits##_store(volatile a##bits* p, a##bits v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); } \
    KS_HIDDEN a##bits __tsan_atomic##bits##_exchange(volatile a##bits* p, a##bits v, int) { \
        return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); \
    } \
    KS_HIDDEN a##bits __tsan_atomic##bits##_fetch_add(volatile a##bits* p, a##bits v, int) { \
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); \
    } \
    KS_HIDDEN a##bits __tsan_atomic##bits##_fetch_sub(volatile a##bits* p, a##bits v, int) { \
        return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST); \
    } \
    KS_HIDDEN a##bits __tsan_atomic##bits##_fetch_and(volatile a##bits* p, a##bits v, int) { \
        return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST); \
    } \
    KS_HIDDEN a##bits __tsan_atomic##bits##_fetch_or(volatile a##bits* p, a##bits v, int) { \
        return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); \
    } \
    KS_HIDDEN a##bits __tsan_atomic##bits##_fetch_xor(volatile a##bits* p, a##bits v, int) { \
        return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST); \
    } \
    KS_HIDDEN int __tsan_atomic##bits##_compare_exchange_strong(volatile a##bits* p, a##bits* e, a##bits v, int, int) { \
        return __atomic_compare_exchange_n(p, e, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    } \
    KS_HIDDEN int __tsan_atomic##bits##_compare_exchange_weak(volatile a##bits* p, a##bits* e, a##bits v, int, int) { \
        return __atomic_compare_exchange_n(p, e, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    } \
    KS_HIDDEN a##bits __tsan_atomic##bits##_compare_exchange_val(volatile a##bits* p, a##bits e, a##bits v, int, int) { \
        __atomic_compare_exchange_n(p, &e, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        return e; \
    }
KS_ATOMIC_WIDTH(8) KS_ATOMIC_WIDTH(16) KS_ATOMIC_WIDTH(32) KS_ATOMIC_WIDTH(64) KS_HIDDEN void __tsan_atomic_thread_fence(int) {}
KS_HIDDEN void __tsan_atomic_signal_fence(int) {}
}
