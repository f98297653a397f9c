// The border between the emulated CUDA device and Python: what the shared object exports, and what source rewriting must produce.
//
// A candidate becomes one shared object: its rewritten source compiled by g++ with `-include ks_emulation.h -fsanitize=thread`
// (README.md has the exact commands), linked with runtime.o, which is compiled once without those flags. libtsan is not linked.
//
// REWRITING. CUDA syntax that C++ has no word for is replaced, line numbers kept:
//
//   kernel<<<g, b>>>(args)                   KS_LAUNCH((kernel), (g), (b), (0), (0), args)
//   kernel<float, 4><<<g, b, s, st>>>(args)  KS_LAUNCH((kernel<float, 4>), (g), (b), (s), (st), args)
//   kernel<<<g, b>>>()                       KS_LAUNCH((kernel), (g), (b), (0), (0))
//   extern __shared__ float buf[];           KS_DYNAMIC_SHARED(float, buf);
//   extern __shared__ __align__(16) T buf[]; KS_DYNAMIC_SHARED(T, buf);
//   __shared__ alignas(16) float t[64];      __shared__ __align__(16) float t[64];       (g++ wants alignas first)
//   #pragma unroll [N]                       #pragma GCC unroll N   (leave a bare one out; both are optional)
//
// `__shared__ float tile[32][33];` needs no rewriting, also in templates, also at file scope. The grid and block of KS_LAUNCH may be
// an int or a dim3; the kernel may be a template whose arguments are deduced, or overloaded. An expression in braces is not
// possible there: `<<<{8, 8}, 64>>>` becomes `(dim3{8, 8})`.
// For the `kernels` form append, after the source, one line a kernel that may be launched: KS_EMU_EXPORT(kernel)
//
// UNSUPPORTED. Constructs without an emulation fail the build with a message that contains "kernelsearch-unsupported: " and the
// construct's name on the line of its use (headers: on the line of the #include, as "included from"), or fail the launch with an
// error of kind "unsupported". Inline `asm`, `texture<>`, and clusters (`__cluster_dims__`) are found most surely by Python.
//
// ERRORS. The first error ends the running kernel; later launches and copies do nothing and return an error, as after a sticky
// error on hardware, and the report keeps the first one. A crash of host code (not of a kernel) kills the process by its signal.
//
// THREADS. One OS thread may call these functions, and the same one that calls the candidate's launcher.
#pragma once
#include <stddef.h>
#include <stdint.h>

extern "C" {

// Choose how kernels run from now on, and forget launches and error reported so far (memory stays).
//   order_seed      0: threads and blocks ascending, 1: descending, others: a permutation drawn from the seed, new after each
//                   barrier. Also chooses what uninitialised memory holds. Correct kernels give the same outputs for all seeds
//                   (up to the rounding of floating-point atomics).
//   instrument      0: bounds, alignment and barriers are checked; 1: counters as well
//   sampled_blocks  how many blocks of a launch are counted in detail, spread evenly over the grid, first and last included
void ks_emu_configure(uint64_t order_seed, int instrument, int sampled_blocks);

// Device memory: 256-byte aligned, `bytes` long to the byte, unmapped pages around it, filled with a pattern (see order_seed).
// The host may read and write it through the pointer. NULL when `bytes` is beyond the device's memory.
// `readonly_later` is not used: call ks_emu_protect once the data is in.
void* ks_emu_alloc(size_t bytes, int readonly_later);

// Name an allocation in messages ("reads 4 bytes past the end of x").
void ks_emu_label(void* allocation, const char* name);

// From now on kernels, cudaMemcpy and host code may only read it. Returns 0, or -1 if it is not the start of an allocation.
int ks_emu_protect(void* allocation);
int ks_emu_unprotect(void* allocation);

// Free every allocation, ours and the candidate's own; all device pointers become invalid.
void ks_emu_free_all(void);

// Host allocations of the candidate (cudaMalloc) that were not freed; bytes.
size_t ks_emu_leaked_bytes(void);

// One JSON object (UTF-8, NUL-terminated, valid until the next call of any function here):
// {
//   "error": null | {
//     "kind": "out-of-bounds" | "readonly" | "misaligned" | "divergent-barrier" | "deadlock" | "launch" | "unsupported" | "trap",
//     "message": one sentence with kernel, block, thread and what happened,
//     "kernel": str, "block": [x,y,z], "thread": [x,y,z],
//     "line": source line where the runtime knows it (barriers, collectives, launches), else 0,
//     "pc": offset in the shared object of the offending access, else 0. `addr2line -i -e object.so 0x<pc>` lists where it was inlined
//           from, innermost first: the first line that is the candidate's is the one to show (vector types and __ldg are header code)
//   },
//   "launches": [{                           (in order; the "counters" and "sites" only with instrument = 1)
//     "kernel": str, "line": int, "grid": [x,y,z], "block": [x,y,z], "shared": dynamic bytes,
//     "blocks": total, "sampled_blocks": n, "counters": {...}, "sites": [...]
//   }]
// }
// Counters are sums over the sampled blocks multiplied by blocks / sampled_blocks (floats), unless marked *, which are not scaled:
//   {global_load, global_store}_requests         warp instructions; one of 8 or 16 bytes a lane is one request
//   {global_load, global_store}_sectors          32-byte sectors of those requests, distinct within a request
//   {global_load, global_store}_bytes            bytes asked for by lanes
//   {global_load, global_store}_block_sectors    distinct sectors within each block: traffic below a perfect L1
// * footprint_{load, store}_sectors              distinct sectors touched by the whole launch, all blocks: traffic below a perfect L2
//   global_atomic_{requests, sectors, serial}    serial: sum over requests of the lanes on the most contended address
//   {shared_load, shared_store}_{requests, wavefronts, conflicts}   conflicts: wavefronts beyond what the width needs, which is
//                                                1, 2 or 4 for 4, 8 or 16 bytes, and 1 for a broadcast
//   shared_atomic_{requests, serial}
//   constant_requests, constant_distinct         reads of __constant__ and __device__ variables; distinct addresses of them
//   thread_blocks, warp_blocks                   basic blocks executed, by threads and by warps (one for all lanes that are together)
//   partial_warp_blocks                          warp_blocks in which some of the warp's existing lanes did not take part
// * active_lanes                                 thread_blocks / warp_blocks
// * longest_warp_blocks                          most warp_blocks of any one sampled warp
//   barriers                                     __syncthreads, once a block; warp_collectives: shuffles, votes, __syncwarp, once a warp
//   threads, warps                               exact
// * static_shared_bytes                          static shared memory that the sampled blocks touched (a block's worth)
// Sites: the places in the code that touch memory, most sectors or wavefronts first, 32 at most:
//   {"pc": as above, "kind": "global load" | "global store" | "global atomic" | "shared load" | "shared store" | "shared atomic" |
//    "constant load", "size": bytes a lane, "requests": scaled, "units": scaled sectors, wavefronts or serial}
const char* ks_emu_report(void);

// KS_EMU_EXPORT(kernel) defines, for a kernel with C++ linkage or extern "C":
//   extern "C" int ks_emu_launch_<kernel>(unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
//                                         size_t shared, void** args);
// `args` are pointers to the arguments, of the kernel's own parameter types, as for cuLaunchKernel. Returns a cudaError_t (0: fine).
}
