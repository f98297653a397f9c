// Batch normalisation with the statistics of the batch, one block a channel: mean, variance, then scale and shift.

#include <cuda_bf16.h>
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

__global__ void batch_norm(const __nv_bfloat16* x, const __nv_bfloat16* gamma, const __nv_bfloat16* beta, __nv_bfloat16* y,
                           int batch, int channels, int pixels, float eps) {
    int channel = blockIdx.x, count = batch * pixels;
    float sum = 0.0f;
    for (int image = 0; image < batch; ++image) {
        const __nv_bfloat16* in = x + ((size_t)image * channels + channel) * pixels;
        for (int i = threadIdx.x; i < pixels; i += THREADS) {
            sum += __bfloat162float(in[i]);
        }
    }
    float mean = block_sum(sum) / count;
    float squares = 0.0f;
    for (int image = 0; image < batch; ++image) {
        const __nv_bfloat16* in = x + ((size_t)image * channels + channel) * pixels;
        for (int i = threadIdx.x; i < pixels; i += THREADS) {
            float centred = __bfloat162float(in[i]) - mean;
            squares += centred * centred;
        }
    }
    float scale = __bfloat162float(gamma[channel]) / sqrtf(block_sum(squares) / count + eps);
    float shift = __bfloat162float(beta[channel]);
    for (int image = 0; image < batch; ++image) {
        size_t start = ((size_t)image * channels + channel) * pixels;
        for (int i = threadIdx.x; i < pixels; i += THREADS) {
            y[start + i] = __float2bfloat16((__bfloat162float(x[start + i]) - mean) * scale + shift);
        }
    }
}

extern "C" void solve(const __nv_bfloat16* x, const __nv_bfloat16* gamma, const __nv_bfloat16* beta, __nv_bfloat16* y, int batch,
                      int channels, int pixels, float eps) {
    batch_norm<<<channels, THREADS>>>(x, gamma, beta, y, batch, channels, pixels, eps);
}
