// Mean hinge loss: a tree in shared memory for each block, one atomic addition a block.

#include <math.h>

#define THREADS 256

// The sum of `value` over the block.
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

__global__ void clear(float* loss) {
    loss[0] = 0.0f;
}

__global__ void hinge_loss(const float* score, const int* label, float* loss, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float term = 0.0f;
    if (i < n) {
        float side = label[i] == 1 ? 1.0f : -1.0f;
        term = fmaxf(0.0f, 1.0f - side * score[i]);
    }
    float sum = block_sum(term);
    if (threadIdx.x == 0) {
        atomicAdd(loss, sum / n);
    }
}

extern "C" void solve(const float* score, const int* label, float* loss, int n) {
    clear<<<1, 1>>>(loss);
    hinge_loss<<<(n + THREADS - 1) / THREADS, THREADS>>>(score, label, loss, n);
}
