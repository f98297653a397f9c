// A block of 256 a row, shuffles inside warps and one exchange through shared memory, three passes.
#include <math.h>
__device__ float block_max(float v, float* part) {
    for (int d = 16; d > 0; d /= 2) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, d));
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[threadIdx.x % 8];
    for (int d = 4; d > 0; d /= 2) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, d));
    __syncthreads();
    return v;
}
__device__ float block_sum(float v, float* part) {
    for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(0xffffffffu, v, d);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
    __syncthreads();
    v = part[threadIdx.x % 8];
    for (int d = 4; d > 0; d /= 2) v += __shfl_xor_sync(0xffffffffu, v, d);
    __syncthreads();
    return v;
}
__global__ void softmax(const float* x, float* y, int cols) {
    __shared__ float part[8];
    const float* in = x + (size_t)blockIdx.x * cols;
    float* out = y + (size_t)blockIdx.x * cols;
    float top = -INFINITY;
    for (int i = threadIdx.x; i < cols; i += 256) top = fmaxf(top, in[i]);
    top = block_max(top, part);
    float sum = 0.0f;
    for (int i = threadIdx.x; i < cols; i += 256) sum += expf(in[i] - top);
    sum = block_sum(sum, part);
    for (int i = threadIdx.x; i < cols; i += 256) out[i] = expf(in[i] - top) / sum;
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<rows, 256>>>(x, y, cols);
}
