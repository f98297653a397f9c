// Layer normalisation, one block a row: mean, variance, then scale and shift.

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

__global__ void layer_norm(const __nv_bfloat16* x, const __nv_bfloat16* gamma, const __nv_bfloat16* beta, __nv_bfloat16* y,
                           int cols, float eps) {
    const __nv_bfloat16* in = x + (size_t)blockIdx.x * cols;
    __nv_bfloat16* out = y + (size_t)blockIdx.x * cols;
    float sum = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        sum += __bfloat162float(in[col]);
    }
    float mean = block_sum(sum) / cols;
    float squares = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        float centred = __bfloat162float(in[col]) - mean;
        squares += centred * centred;
    }
    float scale = 1.0f / sqrtf(block_sum(squares) / cols + eps);
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        out[col] = __float2bfloat16((__bfloat162float(in[col]) - mean) * scale
            * __bfloat162float(gamma[col]) + __bfloat162float(beta[col]));
    }
}

extern "C" void solve(const __nv_bfloat16* x, const __nv_bfloat16* gamma, const __nv_bfloat16* beta, __nv_bfloat16* y, int rows,
                      int cols, float eps) {
    layer_norm<<<rows, THREADS>>>(x, gamma, beta, y, cols, eps);
}
