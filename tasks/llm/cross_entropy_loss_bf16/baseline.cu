// Cross entropy of every row, one block a row: maximum, then logarithm of the sum of exponentials, less the target's logit.

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

__global__ void cross_entropy(const __nv_bfloat16* logits, const int* target, float* loss, int classes) {
    const __nv_bfloat16* row = logits + (size_t)blockIdx.x * classes;
    float largest = -INFINITY;
    for (int i = threadIdx.x; i < classes; i += THREADS) {
        largest = fmaxf(largest, __bfloat162float(row[i]));
    }
    largest = block_max(largest);
    float sum = 0.0f;
    for (int i = threadIdx.x; i < classes; i += THREADS) {
        sum += expf(__bfloat162float(row[i]) - largest);
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        loss[blockIdx.x] = logf(sum) + largest - __bfloat162float(row[target[blockIdx.x]]);
    }
}

extern "C" void solve(const __nv_bfloat16* logits, const int* target, float* loss, int rows, int classes) {
    cross_entropy<<<rows, THREADS>>>(logits, target, loss, classes);
}
