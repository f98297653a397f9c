// Batch normalisation with the statistics of the batch, one block a channel: mean, variance, then scale and shift.

#include <math.h>

#define THREADS 512

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

__global__ void batch_norm(const float* x, const float* gamma, const float* beta, float* y, int batch, int channels, int pixels,
                           float eps) {
    int channel = blockIdx.x, count = batch * pixels;
    float sum = 0.0f;
    for (int image = 0; image < batch; ++image) {
        const float* in = x + ((size_t)image * channels + channel) * pixels;
        for (int i = threadIdx.x; i < pixels; i += THREADS) {
            sum += in[i];
        }
    }
    float mean = block_sum(sum) / count;
    float squares = 0.0f;
    for (int image = 0; image < batch; ++image) {
        const float* in = x + ((size_t)image * channels + channel) * pixels;
        for (int i = threadIdx.x; i < pixels; i += THREADS) {
            float centred = in[i] - mean;
            squares += centred * centred;
        }
    }
    float scale = gamma[channel] / sqrtf(block_sum(squares) / count + eps);
    float shift = beta[channel];
    for (int image = 0; image < batch; ++image) {
        size_t start = ((size_t)image * channels + channel) * pixels;
        for (int i = threadIdx.x; i < pixels; i += THREADS) {
            y[start + i] = (x[start + i] - mean) * scale + shift;
        }
    }
}

extern "C" void solve(const float* x, const float* gamma, const float* beta, float* y, int batch, int channels, int pixels,
                      float eps) {
    batch_norm<<<channels, THREADS>>>(x, gamma, beta, y, batch, channels, pixels, eps);
}
