// The row is read once into registers (at most 8 a thread: cols <= 2048) and written once.
#include <math.h>
__global__ void softmax(const float* x, float* y, int cols) {
    __shared__ float part[8];
    const float* in = x + (size_t)blockIdx.x * cols;
    float* out = y + (size_t)blockIdx.x * cols;
    float v[8];
    float top = -INFINITY;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
        int i = threadIdx.x + 256 * j;
        v[j] = i < cols ? in[i] : -INFINITY;
        top = fmaxf(top, v[j]);
    }
    for (int d = 16; d > 0; d /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, d));
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = top;
    __syncthreads();
    for (int w = 0; w < 8; ++w) top = fmaxf(top, part[w]);
    __syncthreads();
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
        v[j] = __expf(v[j] - top);
        sum += v[j];
    }
    for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0.0f;
    for (int w = 0; w < 8; ++w) sum += part[w];
    float scale = 1.0f / sum;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
        int i = threadIdx.x + 256 * j;
        if (i < cols) out[i] = v[j] * scale;
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<rows, 256>>>(x, y, cols);
}
