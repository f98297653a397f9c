// The CUDA runtime API's functions that need the engine: memory, errors, device properties. Limits are those of an H100 SXM.
#include "../include/ks/host.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "engine.h"

using namespace ks_emu;

static cudaError_t last_error = cudaSuccess;

static cudaError_t remember(cudaError_t code) {
    if (code != cudaSuccess) last_error = code;
    return code;
}

static cudaError_t sticky() { return static_cast<cudaError_t>(error.code); }

// Host addresses pass; device addresses must lie within one allocation that may be accessed so.
static bool accessible(const void* at, size_t bytes, bool write) {
    const auto address = reinterpret_cast<uintptr_t>(at);
    return bytes == 0 || !arena.holds(address) || check_range(address, bytes, write, nullptr);
}

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
    if (error.set) return sticky();
    if (bytes == 0) return *pointer = nullptr, cudaSuccess;
    *pointer = allocate(bytes, false);
    return remember(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* pointer) {
    if (error.set) return sticky();
    return remember(!pointer || release(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
    if (error.set) return sticky();
    if (!arena.holds(reinterpret_cast<uintptr_t>(to)) && bytes) return remember(cudaErrorInvalidValue);
    if (accessible(to, bytes, true)) memset(to, value, bytes);
    return sticky();
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    if (error.set) return sticky();
    const bool to_device = arena.holds(reinterpret_cast<uintptr_t>(to)), from_device = arena.holds(reinterpret_cast<uintptr_t>(from));
    const bool says_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool says_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind != cudaMemcpyDefault && bytes && ((to_device && !says_to) || (from_device && !says_from)))
        return remember(cudaErrorInvalidValue);
    if (accessible(to, bytes, true) && accessible(from, bytes, false)) memmove(to, from, bytes);
    return sticky();
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height, cudaMemcpyKind kind) {
    if (width > to_pitch || width > from_pitch) return remember(cudaErrorInvalidValue);
    for (size_t row = 0; row < height; ++row)
        if (cudaError_t code =
                cudaMemcpy(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width, kind))
            return code;
    return cudaSuccess;
}

cudaError_t cudaPeekAtLastError(void) { return error.set ? sticky() : last_error; }

cudaError_t cudaGetLastError(void) {
    const cudaError_t code = cudaPeekAtLastError();
    last_error = cudaSuccess;
    return code;
}

const char* cudaGetErrorName(cudaError_t code) {
    switch (code) {
        case cudaSuccess:
            return "cudaSuccess";
        case cudaErrorInvalidValue:
            return "cudaErrorInvalidValue";
        case cudaErrorMemoryAllocation:
            return "cudaErrorMemoryAllocation";
        case cudaErrorInvalidConfiguration:
            return "cudaErrorInvalidConfiguration";
        case cudaErrorInvalidSymbol:
            return "cudaErrorInvalidSymbol";
        case cudaErrorInvalidDevice:
            return "cudaErrorInvalidDevice";
        case cudaErrorIllegalAddress:
            return "cudaErrorIllegalAddress";
        case cudaErrorMisalignedAddress:
            return "cudaErrorMisalignedAddress";
        case cudaErrorLaunchFailure:
            return "cudaErrorLaunchFailure";
        case cudaErrorNotSupported:
            return "cudaErrorNotSupported";
        default:
            return "cudaErrorUnknown";
    }
}

const char* cudaGetErrorString(cudaError_t code) {
    switch (code) {
        case cudaSuccess:
            return "no error";
        case cudaErrorInvalidValue:
            return "invalid argument";
        case cudaErrorMemoryAllocation:
            return "out of memory";
        case cudaErrorInvalidConfiguration:
            return "invalid configuration argument";
        case cudaErrorIllegalAddress:
            return "an illegal memory access was encountered";
        case cudaErrorMisalignedAddress:
            return "misaligned address";
        case cudaErrorLaunchFailure:
            return "unspecified launch failure";
        case cudaErrorNotSupported:
            return "operation not supported";
        default:
            return "unknown error";
    }
}

static constexpr int kMultiprocessors = 132, kThreadsPerMultiprocessor = 2048, kBlocksPerMultiprocessor = 32;

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    if (device != 0) return remember(cudaErrorInvalidDevice);
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock:
            *value = kMaxBlockThreads;
            break;
        case cudaDevAttrMaxSharedMemoryPerBlock:
            *value = kDefaultShared;
            break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin:
            *value = kOptInShared;
            break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
            *value = kOptInShared + 1024;
            break;
        case cudaDevAttrWarpSize:
            *value = kWarp;
            break;
        case cudaDevAttrMaxRegistersPerBlock:
            *value = 65536;
            break;
        case cudaDevAttrMultiProcessorCount:
            *value = kMultiprocessors;
            break;
        case cudaDevAttrL2CacheSize:
            *value = 50 << 20;
            break;
        case cudaDevAttrMaxThreadsPerMultiProcessor:
            *value = kThreadsPerMultiprocessor;
            break;
        case cudaDevAttrComputeCapabilityMajor:
            *value = 9;
            break;
        case cudaDevAttrComputeCapabilityMinor:
            *value = 0;
            break;
        default:
            return remember(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
    if (device != 0) return remember(cudaErrorInvalidDevice);
    *p = cudaDeviceProp{};
    snprintf(p->name, sizeof p->name, "emulated");
    p->totalGlobalMem = Arena::kSpan;
    p->sharedMemPerBlock = kDefaultShared;
    p->sharedMemPerBlockOptin = kOptInShared;
    p->sharedMemPerMultiprocessor = kOptInShared + 1024;
    p->totalConstMem = 64 * 1024;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = kWarp;
    p->maxThreadsPerBlock = kMaxBlockThreads;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024, p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff, p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->major = 9;
    p->multiProcessorCount = kMultiprocessors;
    p->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
    p->maxBlocksPerMultiProcessor = kBlocksPerMultiprocessor;
    p->l2CacheSize = 50 << 20;
    p->clockRate = 1'980'000;
    p->memoryBusWidth = 5120;
    p->memoryClockRate = 2'619'000;
    p->concurrentKernels = p->unifiedAddressing = 1;
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
    *total_bytes = Arena::kSpan;
    *free_bytes = Arena::kSpan - arena.used * Arena::kGranule;
    return cudaSuccess;
}

cudaError_t ks_emu_set_shared_limit(int bytes) {
    if (bytes < 0 || static_cast<size_t>(bytes) > kOptInShared) return remember(cudaErrorInvalidValue);
    engine.shared_limit = std::max(kDefaultShared, static_cast<size_t>(bytes));
    return cudaSuccess;
}

// By threads and shared memory alone: registers are unknown here. 1 KB of shared memory a block is the system's.
int ks_emu_occupancy(int block_size, size_t shared) {
    if (block_size <= 0 || block_size > static_cast<int>(kMaxBlockThreads)) return 0;
    const int by_threads = kThreadsPerMultiprocessor / ((block_size + kWarp - 1) / kWarp * kWarp);
    const int by_shared = static_cast<int>((kOptInShared + 1024) / (shared + 1024));
    return std::min({by_threads, by_shared, kBlocksPerMultiprocessor});
}

uint64_t ks_emu_clock(void) {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}
}
