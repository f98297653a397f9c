// Softmax of every row, one block a row: maximum, sum of exponentials, quotient.

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

__device__ float block_max(float value) {
    __shared__ float partial[THREADS];
    partial[threadIdx.x] = value;
    __syncthreads();
    for (int stride = THREADS / 2; stride > 0; stride /= 2) {
        if (threadIdx.x < stride) {
            partial[threadIdx.x] = fmaxf(partial[threadIdx.x], partial[threadIdx.x + stride]);
        }
        __syncthreads();
    }
    float result = partial[0];
    __syncthreads();
    return result;
}

__global__ void softmax(const __nv_bfloat16* x, __nv_bfloat16* y, int cols) {
    const __nv_bfloat16* in = x + (size_t)blockIdx.x * cols;
    __nv_bfloat16* out = y + (size_t)blockIdx.x * cols;
    float largest = -INFINITY;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        largest = fmaxf(largest, __bfloat162float(in[col]));
    }
    largest = block_max(largest);
    float sum = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        sum += expf(__bfloat162float(in[col]) - largest);
    }
    sum = block_sum(sum);
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        out[col] = __float2bfloat16(expf(__bfloat162float(in[col]) - largest) / sum);
    }
}

extern "C" void solve(const __nv_bfloat16* x, __nv_bfloat16* y, int rows, int cols) {
    softmax<<<rows, THREADS>>>(x, y, cols);
}
