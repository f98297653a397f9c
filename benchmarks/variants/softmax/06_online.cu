// Two passes: maximum and sum are kept together while reading once, then the row is read again and scaled.
#include <math.h>
__global__ void softmax(const float* x, float* y, int cols) {
    __shared__ float tops[8], sums[8];
    const float* in = x + (size_t)blockIdx.x * cols;
    float* out = y + (size_t)blockIdx.x * cols;
    float top = -1e30f, sum = 0.0f;
    for (int i = threadIdx.x; i < cols; i += 256) {
        float v = in[i], higher = fmaxf(top, v);
        sum = sum * expf(top - higher) + expf(v - higher);
        top = higher;
    }
    for (int d = 16; d > 0; d /= 2) {
        float t = __shfl_xor_sync(0xffffffffu, top, d), s = __shfl_xor_sync(0xffffffffu, sum, d), higher = fmaxf(top, t);
        sum = sum * expf(top - higher) + s * expf(t - higher);
        top = higher;
    }
    if (threadIdx.x % 32 == 0) {
        tops[threadIdx.x / 32] = top;
        sums[threadIdx.x / 32] = sum;
    }
    __syncthreads();
    top = tops[0];
    for (int w = 1; w < 8; ++w) top = fmaxf(top, tops[w]);
    sum = 0.0f;
    for (int w = 0; w < 8; ++w) sum += sums[w] * expf(tops[w] - top);
    float scale = 1.0f / sum;
    for (int i = threadIdx.x; i < cols; i += 256) out[i] = expf(in[i] - top) * scale;
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<rows, 256>>>(x, y, cols);
}
