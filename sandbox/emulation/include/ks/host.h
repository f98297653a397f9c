// The part of the CUDA runtime API that a launcher calls. Everything is synchronous, so streams and events order nothing.
#pragma once
#include <cstdlib>

#include "device.h"

enum cudaError_t : int {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInvalidSymbol = 13,
    cudaErrorInvalidDevicePointer = 17,
    cudaErrorInvalidMemcpyDirection = 21,
    cudaErrorInvalidDeviceFunction = 98,
    cudaErrorInvalidDevice = 101,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorNotReady = 600,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchOutOfResources = 701,
    cudaErrorMisalignedAddress = 716,
    cudaErrorLaunchFailure = 719,
    cudaErrorNotSupported = 801,
    cudaErrorUnknown = 999,
};
using cudaError = cudaError_t;
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
enum cudaFuncAttribute {
    cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
    cudaFuncAttributePreferredSharedMemoryCarveout = 9,
    cudaFuncAttributeNonPortableClusterSizeAllowed = 13,
};
enum cudaFuncCache { cudaFuncCachePreferNone, cudaFuncCachePreferShared, cudaFuncCachePreferL1, cudaFuncCachePreferEqual };
enum cudaSharedCarveout { cudaSharedmemCarveoutDefault = -1, cudaSharedmemCarveoutMaxShared = 100, cudaSharedmemCarveoutMaxL1 = 0 };
enum cudaLimit { cudaLimitStackSize, cudaLimitPrintfFifoSize, cudaLimitMallocHeapSize };
enum cudaDeviceAttr {
    cudaDevAttrMaxThreadsPerBlock = 1,
    cudaDevAttrMaxSharedMemoryPerBlock = 8,
    cudaDevAttrWarpSize = 10,
    cudaDevAttrMaxRegistersPerBlock = 12,
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrL2CacheSize = 38,
    cudaDevAttrMaxThreadsPerMultiProcessor = 39,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};
struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin, sharedMemPerMultiprocessor, totalConstMem;
    int regsPerBlock, regsPerMultiprocessor, warpSize, maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3];
    int major, minor, multiProcessorCount, maxThreadsPerMultiProcessor, maxBlocksPerMultiProcessor, l2CacheSize, clockRate;
    int memoryBusWidth, memoryClockRate, concurrentKernels, cooperativeLaunch, unifiedAddressing;
};
using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
constexpr cudaStream_t cudaStreamLegacy = nullptr, cudaStreamPerThread = nullptr;
enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1, cudaEventDefault = 0, cudaEventDisableTiming = 2, cudaMemAttachGlobal = 1 };

extern "C" {
KS_HIDDEN cudaError_t cudaMalloc(void** pointer, size_t bytes);
KS_HIDDEN cudaError_t cudaFree(void* pointer);
KS_HIDDEN cudaError_t cudaMemset(void* to, int value, size_t bytes);
KS_HIDDEN cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
KS_HIDDEN cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                                   cudaMemcpyKind kind);
KS_HIDDEN cudaError_t cudaGetLastError(void);
KS_HIDDEN cudaError_t cudaPeekAtLastError(void);
KS_HIDDEN const char* cudaGetErrorName(cudaError_t error);
KS_HIDDEN const char* cudaGetErrorString(cudaError_t error);
KS_HIDDEN cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
KS_HIDDEN cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
KS_HIDDEN cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes);
KS_HIDDEN cudaError_t ks_emu_set_shared_limit(int bytes);
KS_HIDDEN int ks_emu_occupancy(int block_size, size_t shared);
}

template <class T> KS_INLINE cudaError_t cudaMalloc(T** pointer, size_t bytes) { return cudaMalloc(reinterpret_cast<void**>(pointer), bytes); }
template <class T> KS_INLINE cudaError_t cudaMallocAsync(T** pointer, size_t bytes, cudaStream_t) { return cudaMalloc(pointer, bytes); }
KS_INLINE cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) { return cudaFree(pointer); }
template <class T> KS_INLINE cudaError_t cudaMallocHost(T** pointer, size_t bytes) {
    *pointer = static_cast<T*>(std::malloc(bytes));
    return *pointer ? cudaSuccess : cudaErrorMemoryAllocation;
}
KS_INLINE cudaError_t cudaFreeHost(void* pointer) { return std::free(pointer), cudaSuccess; }
KS_INLINE cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t = nullptr) { return cudaMemset(to, value, bytes); }
KS_INLINE cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t = nullptr) {
    return cudaMemcpy(to, from, bytes, kind);
}

// Device variables are ordinary variables of the object: their address is their device address.
template <class T> KS_INLINE cudaError_t cudaGetSymbolAddress(void** pointer, const T& symbol) {
    return *pointer = const_cast<void*>(static_cast<const void*>(&symbol)), cudaSuccess;
}
template <class T> KS_INLINE cudaError_t cudaMemcpyToSymbol(const T& symbol, const void* from, size_t bytes, size_t offset = 0,
                                                            cudaMemcpyKind = cudaMemcpyHostToDevice) {
    if (offset > sizeof(T) || bytes > sizeof(T) - offset) return cudaErrorInvalidValue;
    return cudaMemcpy(reinterpret_cast<char*>(const_cast<std::remove_const_t<T>*>(&symbol)) + offset, from, bytes, cudaMemcpyDefault);
}
template <class T> KS_INLINE cudaError_t cudaMemcpyToSymbolAsync(const T& symbol, const void* from, size_t bytes, size_t offset = 0,
                                                                 cudaMemcpyKind kind = cudaMemcpyHostToDevice, cudaStream_t = nullptr) {
    return cudaMemcpyToSymbol(symbol, from, bytes, offset, kind);
}
template <class T> KS_INLINE cudaError_t cudaMemcpyFromSymbol(void* to, const T& symbol, size_t bytes, size_t offset = 0,
                                                              cudaMemcpyKind = cudaMemcpyDeviceToHost) {
    if (offset > sizeof(T) || bytes > sizeof(T) - offset) return cudaErrorInvalidValue;
    return cudaMemcpy(to, reinterpret_cast<const char*>(&symbol) + offset, bytes, cudaMemcpyDefault);
}

KS_INLINE cudaError_t cudaDeviceSynchronize() { return cudaPeekAtLastError(); }
KS_INLINE cudaError_t cudaStreamCreate(cudaStream_t* stream) { return *stream = nullptr, cudaSuccess; }
KS_INLINE cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return *stream = nullptr, cudaSuccess; }
KS_INLINE cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
KS_INLINE cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaPeekAtLastError(); }
KS_INLINE cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned = 0) { return cudaSuccess; }
KS_INLINE cudaError_t cudaEventCreate(cudaEvent_t* event) { return *event = nullptr, cudaSuccess; }
KS_INLINE cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return *event = nullptr, cudaSuccess; }
KS_INLINE cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t = nullptr) { return cudaSuccess; }
KS_INLINE cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaPeekAtLastError(); }
KS_INLINE cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
KS_UNSUPPORTED_CALL("cudaEventElapsedTime") cudaError_t cudaEventElapsedTime(float*, cudaEvent_t, cudaEvent_t);

KS_INLINE cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
KS_INLINE cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
KS_INLINE cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
KS_INLINE cudaError_t cudaDeviceSetLimit(cudaLimit, size_t) { return cudaSuccess; }
KS_INLINE cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return cudaSuccess; }

template <class F> KS_INLINE cudaError_t cudaFuncSetAttribute(F*, cudaFuncAttribute attribute, int value) {
    return attribute == cudaFuncAttributeMaxDynamicSharedMemorySize ? ks_emu_set_shared_limit(value) : cudaSuccess;
}
template <class F> KS_INLINE cudaError_t cudaFuncSetCacheConfig(F*, cudaFuncCache) { return cudaSuccess; }
template <class F>
KS_INLINE cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, F*, int block_size, size_t shared) {
    return *blocks = ks_emu_occupancy(block_size, shared), cudaSuccess;
}
template <class F>
KS_INLINE cudaError_t cudaOccupancyMaxPotentialBlockSize(int* grid, int* block, F*, size_t shared = 0, int limit = 0) {
    *block = limit > 0 && limit < 1024 ? limit : 1024;
    int count = 0;
    cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0);
    return *grid = count * ks_emu_occupancy(*block, shared), cudaSuccess;
}
