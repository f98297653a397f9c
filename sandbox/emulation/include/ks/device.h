// The words of CUDA C++ and the variables every thread has. Declares what the headers need from the runtime.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __CUDACC__ 1
#define __CUDA_ARCH__ 900
#define __NVCC__ 1
#define CUDA_VERSION 13000
#define CUDART_VERSION 13000
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
#define KS_EMULATED 1

#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
// Thread-local storage puts every shared variable of the object, also those of templates, into one segment whose address and size
// the runtime can ask for. All fibers run on one OS thread, so the block's threads do share it.
#define __shared__ static thread_local constinit
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __forceinline__ __attribute__((always_inline))  // without `inline`, which g++ does not accept twice
#define __noinline__  // libstdc++ writes __attribute__((__noinline__)), which must still mean something: an empty list will do
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __attribute__((aligned(n)))
#define __inline_hint__
#define CUDART_CB

// Code of ours that runs inside a kernel but is not the kernel's: not hooked, and not inlined into hooked code.
#define KS_OURS __attribute__((no_sanitize("thread"), no_sanitize_coverage))
#define KS_UNHOOKED __attribute__((noinline)) KS_OURS
#define KS_PURE KS_UNHOOKED __attribute__((const))  // value to value: its branches are not the kernel's basic blocks
#define KS_INLINE inline __attribute__((always_inline))
#define KS_HIDDEN __attribute__((visibility("hidden")))
#define KS_API __attribute__((visibility("default")))

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
    constexpr operator uint3() const { return {x, y, z}; }
};

// `const`, so that g++ neither hooks reads of them nor reads them twice: they never change under a running thread.
extern const uint3 threadIdx __asm__("ks_emu_thread_idx") KS_HIDDEN;
extern const uint3 blockIdx __asm__("ks_emu_block_idx") KS_HIDDEN;
extern const uint3 blockDim __asm__("ks_emu_block_dim") KS_HIDDEN;
extern const uint3 gridDim __asm__("ks_emu_grid_dim") KS_HIDDEN;
constexpr int warpSize = 32;

extern "C" {
extern KS_HIDDEN unsigned char ks_emu_dynamic_shared[];

// Barriers and warp collectives wait for the other threads; `line` is the caller's, for messages.
KS_HIDDEN unsigned ks_emu_barrier(int predicate, int line);  // how many threads of the block had a true predicate
KS_HIDDEN uint64_t ks_emu_shuffle(unsigned mask, uint64_t value, int source, int line);
KS_HIDDEN unsigned ks_emu_vote(unsigned mask, int predicate, int line);
KS_HIDDEN unsigned ks_emu_match(unsigned mask, uint64_t value, int line);
KS_HIDDEN uint64_t ks_emu_reduce(unsigned mask, uint64_t value, uint64_t (*combine)(uint64_t, uint64_t), int line);
KS_HIDDEN unsigned ks_emu_active_mask(int line);
KS_HIDDEN unsigned ks_emu_lane(void);
KS_HIDDEN void ks_emu_yield(void);
KS_HIDDEN void ks_emu_atomic(const void* address, unsigned size, const void* pc);
[[noreturn]] KS_HIDDEN void ks_emu_trap(const char* what, int line);
KS_HIDDEN uint64_t ks_emu_clock(void);
}

#define KS_DYNAMIC_SHARED(type, name) [[maybe_unused]] type* const name = reinterpret_cast<type*>(ks_emu_dynamic_shared)

// A call that has no emulation: an error on the line of the call, which Python turns into the verdict UNSUPPORTED.
#define KS_UNSUPPORTED_CALL(name) __attribute__((error("kernelsearch-unsupported: " name)))
