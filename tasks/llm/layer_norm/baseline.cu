// Layer normalisation, one block a row: mean, variance, then scale and shift.

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

__global__ void layer_norm(const float* x, const float* gamma, const float* beta, float* y, int cols, float eps) {
    const float* in = x + (size_t)blockIdx.x * cols;
    float* out = y + (size_t)blockIdx.x * cols;
    float sum = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        sum += in[col];
    }
    float mean = block_sum(sum) / cols;
    float squares = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        float centred = in[col] - mean;
        squares += centred * centred;
    }
    float scale = 1.0f / sqrtf(block_sum(squares) / cols + eps);
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        out[col] = (in[col] - mean) * scale * gamma[col] + beta[col];
    }
}

extern "C" void solve(const float* x, const float* gamma, const float* beta, float* y, int rows, int cols, float eps) {
    layer_norm<<<rows, THREADS>>>(x, gamma, beta, y, cols, eps);
}
