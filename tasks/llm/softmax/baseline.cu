// Softmax of every row, one block a row: maximum, sum of exponentials, quotient.

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

__global__ void softmax(const float* x, float* y, int cols) {
    const float* in = x + (size_t)blockIdx.x * cols;
    float* out = y + (size_t)blockIdx.x * cols;
    float largest = -INFINITY;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        largest = fmaxf(largest, in[col]);
    }
    largest = block_max(largest);
    float sum = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        sum += expf(in[col] - largest);
    }
    sum = block_sum(sum);
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        out[col] = expf(in[col] - largest) / sum;
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<rows, THREADS>>>(x, y, cols);
}
