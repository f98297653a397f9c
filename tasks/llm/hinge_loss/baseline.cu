// Mean hinge loss of every row, one block a row.

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

__global__ void hinge_loss(const float* score, const int* label, float* loss, int cols) {
    float sum = 0.0f;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        size_t i = (size_t)blockIdx.x * cols + col;
        float side = label[i] == 1 ? 1.0f : -1.0f;
        sum += fmaxf(0.0f, 1.0f - side * score[i]);
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        loss[blockIdx.x] = sum / cols;
    }
}

extern "C" void solve(const float* score, const int* label, float* loss, int rows, int cols) {
    hinge_loss<<<rows, THREADS>>>(score, label, loss, cols);
}
