// Scaled exponential linear unit, one thread an element.

#include <math.h>

__global__ void selu(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float v = x[i];
        y[i] = 1.05070099f * (v > 0.0f ? v : 1.67326324f * (expf(v) - 1.0f));
    }
}

extern "C" void solve(const float* x, float* y, int n) {
    int threads = 256;
    selu<<<(n + threads - 1) / threads, threads>>>(x, y, n);
}
