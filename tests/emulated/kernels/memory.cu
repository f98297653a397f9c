// Correct kernels whose traffic is known exactly.
#include <cuda_runtime.h>

__constant__ float weights[4];
__device__ int total;

__global__ void transpose(const float* in, float* out, int n) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < n && y < n) out[x * n + y] = in[y * n + x];
}

template <int PAD>
__device__ void through_tile(const float* in, float* out, int n) {
    __shared__ float tile[32][32 + PAD];
    for (int j = threadIdx.y; j < 32; j += blockDim.y) tile[j][threadIdx.x] = in[(blockIdx.y * 32 + j) * n + blockIdx.x * 32 + threadIdx.x];
    __syncthreads();
    for (int j = threadIdx.y; j < 32; j += blockDim.y) out[(blockIdx.x * 32 + j) * n + blockIdx.y * 32 + threadIdx.x] = tile[threadIdx.x][j];
}
__global__ void transpose_conflicting(const float* in, float* out, int n) { through_tile<0>(in, out, n); }
__global__ void transpose_padded(const float* in, float* out, int n) { through_tile<1>(in, out, n); }

__global__ void copy_float4(const float* in, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n / 4) {
        float4 v = reinterpret_cast<const float4*>(in)[i];
        reinterpret_cast<float4*>(out)[i] = make_float4(v.x + 1, v.y + 1, v.z + 1, v.w + 1);
    }
}

__global__ void scale_components(const float4* in, float4* out) {
    int i = threadIdx.x;
    out[i].x = in[i].x * 2;  // one component: 4 bytes of every 16
    union {
        float4 whole;
        float part[4];
    } u;
    u.whole = in[i];
    for (int k = 1; k < 4; ++k) reinterpret_cast<float*>(out)[4 * i + k] = u.part[k];
}

__global__ void shared_float4(const float* in, float* out) {
    __shared__ float4 tile[32];
    tile[threadIdx.x] = reinterpret_cast<const float4*>(in)[threadIdx.x];
    __syncthreads();
    reinterpret_cast<float4*>(out)[threadIdx.x] = tile[31 - threadIdx.x];
}

__global__ void shared_float4_broadcast(float4* out, int lanes) {  // each float4 is read by that many neighbours
    __shared__ float4 tile[32];
    tile[threadIdx.x] = make_float4(threadIdx.x, 1, 2, 3);
    __syncthreads();
    out[threadIdx.x] = tile[threadIdx.x / lanes];
}

__global__ void dynamic_reverse(const float* in, float* out, int n) {
    KS_DYNAMIC_SHARED(float, buffer);
    buffer[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = buffer[n - 1 - threadIdx.x];
}

__global__ void weighted(const float* in, float* out) { out[threadIdx.x] = in[threadIdx.x] * weights[threadIdx.x % 4]; }

__global__ void histogram(const int* in, int* bins, int n) {
    __shared__ int local[4];
    if (threadIdx.x < 4) local[threadIdx.x] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) atomicAdd(&local[in[i]], 1);
    __syncthreads();
    if (threadIdx.x < 4) atomicAdd(&bins[threadIdx.x], local[threadIdx.x]);
    if (threadIdx.x == 0) atomicAdd(&total, n);
}

__global__ void half_warps_diverge(float* out) {
    float v = threadIdx.x;
    if (threadIdx.x % 2) {
        for (int i = 0; i < 100; ++i) v = v * 0.5f + __ldg(out + 32);
    }
    out[threadIdx.x] = v;
}

__global__ void shared_double(double* out, int stride) {
    KS_DYNAMIC_SHARED(double, buffer);
    buffer[threadIdx.x * stride] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = buffer[threadIdx.x * stride];
}

__global__ void long_walk(const float* in, float* out, int n) {  // more accesses between barriers than the log keeps
    float sum = 0;
    for (int i = threadIdx.x; i < n; i += 32) sum += in[i];
    out[threadIdx.x] = sum;
}

__global__ void once_each(int* visits) { atomicAdd(&visits[blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z)], 1); }

KS_EMU_EXPORT(shared_double)
KS_EMU_EXPORT(shared_float4_broadcast)
KS_EMU_EXPORT(long_walk)
KS_EMU_EXPORT(once_each)
KS_EMU_EXPORT(transpose)
KS_EMU_EXPORT(transpose_conflicting)
KS_EMU_EXPORT(transpose_padded)
KS_EMU_EXPORT(copy_float4)
KS_EMU_EXPORT(scale_components)
KS_EMU_EXPORT(shared_float4)
KS_EMU_EXPORT(dynamic_reverse)
KS_EMU_EXPORT(weighted)
KS_EMU_EXPORT(histogram)
KS_EMU_EXPORT(half_warps_diverge)

template <class T>
__global__ void fill(T* out, T value, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = value;
}

// A launcher as a candidate writes it: deduced and explicit template arguments, int and dim3 extents, scratch, symbols.
extern "C" int solve(const float* in, float* out, int n) {
    const float host[4] = {1, 10, 100, 1000};
    if (cudaMemcpyToSymbol(weights, host, sizeof host) != cudaSuccess) return 1;
    float* scratch = nullptr;
    cudaMalloc(&scratch, n * sizeof(float));
    dim3 blockDim(32), gridDim((n + 31) / 32);
    KS_LAUNCH((fill), (gridDim), (blockDim), (0), (0), scratch, 0.5f, n);
    KS_LAUNCH((fill<float>), ((n + 31) / 32), (32), (0), (cudaStreamLegacy), out, 7.0f, n);
    cudaMemcpy(out, scratch, n / 2 * sizeof(float), cudaMemcpyDeviceToDevice);
    cudaFree(scratch);
    return cudaDeviceSynchronize();
}
