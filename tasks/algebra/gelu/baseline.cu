// GELU activation in its tanh form, one thread an element.

#include <math.h>

__global__ void gelu(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float v = x[i];
        y[i] = 0.5f * v * (1.0f + tanhf(0.7978845608028654f * (v + 0.044715f * v * v * v)));
    }
}

extern "C" void solve(const float* x, float* y, int n) {
    int threads = 256;
    gelu<<<(n + threads - 1) / threads, threads>>>(x, y, n);
}
