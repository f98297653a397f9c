// Kernels with one fault each.
#include <assert.h>
#include <cuda_runtime.h>

__global__ void read_past_end(const float* in, float* out, int n) {
    int i = threadIdx.x;
    if (i <= n) out[i % n] = in[i];
}
__global__ void write_before_start(float* out) { out[static_cast<int>(threadIdx.x) - 1] = 1; }
__global__ void write_input(const float* in, float* out) {
    const_cast<float*>(in)[threadIdx.x] = 0;
    out[threadIdx.x] = in[threadIdx.x];
}
__global__ void misaligned(const float* in, float* out) {
    float4 v = *reinterpret_cast<const float4*>(in + 1);
    out[threadIdx.x] = v.x;
}
__global__ void past_dynamic(float* out, int n) {
    KS_DYNAMIC_SHARED(float, buffer);
    buffer[threadIdx.x + n] = 1;
    out[threadIdx.x] = buffer[threadIdx.x];
}
__global__ void past_static(float* out, int shift) {
    __shared__ float tile[32];
    tile[threadIdx.x + shift] = 1;
    out[threadIdx.x] = tile[threadIdx.x];
}
__global__ void null_pointer(float* out) { out[threadIdx.x] = *static_cast<float*>(nullptr); }
__global__ void skipped_barrier(float* out) {
    if (threadIdx.x >= 40) return;
    __syncthreads();
    out[threadIdx.x] = 1;
}
__global__ void two_barriers(float* out) {
    if (threadIdx.x < 32) {
        __syncthreads();
        out[threadIdx.x] = 1;
    } else {
        __syncthreads();
        out[threadIdx.x] = 2;
    }
}
__global__ void shuffle_without_partner(float* out) {
    float v = threadIdx.x;
    if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffffffu, v, 1);
    __syncthreads();
    out[threadIdx.x] = v;
}
__global__ void foreign_mask(int* out) { out[threadIdx.x] = __shfl_sync(0x1u, 1, 0); }
__global__ void missing_barrier(const float* in, float* out) {
    __shared__ float tile[64];
    tile[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = tile[63 - threadIdx.x];
}
__global__ void uninitialised(float* out, int n) {
    __shared__ float tile[64];
    if (threadIdx.x > n * 64) tile[threadIdx.x] = 0;  // never
    out[threadIdx.x] = tile[threadIdx.x];
}
__global__ void divide(int* out, int zero) { out[threadIdx.x] = (out[threadIdx.x] + 7) / zero; }
__global__ void failed_assert(int* out) {
    assert(threadIdx.x < 3);
    out[threadIdx.x] = 1;
}
__device__ int deeper(int n) {
    volatile int pad[1024];
    pad[n % 1024] = n;
    return n == 0 ? 0 : deeper(n - 1) + pad[n % 1024];
}
__global__ void deep_recursion(int* out, int n) { out[0] = deeper(n); }
__global__ void child() {}
__global__ void parent() { KS_LAUNCH((child), (1), (1), (0), (0)); }
__global__ void idle() {}

KS_EMU_EXPORT(read_past_end)
KS_EMU_EXPORT(write_before_start)
KS_EMU_EXPORT(write_input)
KS_EMU_EXPORT(misaligned)
KS_EMU_EXPORT(past_dynamic)
KS_EMU_EXPORT(past_static)
KS_EMU_EXPORT(null_pointer)
KS_EMU_EXPORT(skipped_barrier)
KS_EMU_EXPORT(two_barriers)
KS_EMU_EXPORT(shuffle_without_partner)
KS_EMU_EXPORT(foreign_mask)
KS_EMU_EXPORT(missing_barrier)
KS_EMU_EXPORT(uninitialised)
KS_EMU_EXPORT(divide)
KS_EMU_EXPORT(failed_assert)
KS_EMU_EXPORT(deep_recursion)
KS_EMU_EXPORT(parent)
KS_EMU_EXPORT(idle)

extern "C" int launch_with(int block, int shared, int opt_in) {
    if (opt_in) cudaFuncSetAttribute(idle, cudaFuncAttributeMaxDynamicSharedMemorySize, opt_in);
    KS_LAUNCH((idle), (1), (block), (shared), (0));
    return cudaGetLastError();
}
__global__ void set(float* out) { out[threadIdx.x] = 1; }
extern "C" int use_after_free() {
    float* scratch = nullptr;
    cudaMalloc(&scratch, 128);
    cudaFree(scratch);
    KS_LAUNCH((set), (1), (32), (0), (0), scratch);
    return cudaDeviceSynchronize();
}
extern "C" int pass_host_pointer() {
    static float* const host = new float[32];
    KS_LAUNCH((set), (1), (32), (0), (0), host);
    return cudaDeviceSynchronize();
}
extern "C" float dereference(const float* device) { return device[0]; }
extern "C" int copy_into(float* to, const float* from, int bytes) { return cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToDevice); }
