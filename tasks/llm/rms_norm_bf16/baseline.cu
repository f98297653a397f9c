// Root-mean-square normalisation, one block a row: mean of squares, then scale.

#include <cuda_bf16.h>
#include <math.h>

#define THREADS 256

// `value` of all threads of the block, combined.
__device__ float block_sum(float value) {
    __shared__ float partial[THREADS];
    partial[threadIdx.x] = value;
    __syncthreads();
    for (int stride = THREADS / 2; stride > 0; stride /= 2) {
        if (threadIdx.x < stride) {
            partial[threadIdx.x] += partial[threadIdx.x + stride];
        }
        __syncthreads();
    }
    float result = partial[0];
    __syncthreads();
    return result;
}

__global__ void rms_norm(const __nv_bfloat16* x, const __nv_bfloat16* weight, __nv_bfloat16* y, int cols, float eps) {
    const __nv_bfloat16* in = x + (size_t)blockIdx.x * cols;
    __nv_bfloat16* out = y + (size_t)blockIdx.x * cols;
    float squares = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        float value = __bfloat162float(in[col]);
        squares += value * value;
    }
    float scale = 1.0f / sqrtf(block_sum(squares) / cols + eps);
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        out[col] = __float2bfloat16(__bfloat162float(in[col]) * scale * __bfloat162float(weight[col]));
    }
}

extern "C" void solve(const __nv_bfloat16* x, const __nv_bfloat16* weight, __nv_bfloat16* y, int rows, int cols, float eps) {
    rms_norm<<<rows, THREADS>>>(x, weight, y, cols, eps);
}
