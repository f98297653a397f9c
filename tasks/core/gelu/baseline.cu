// GELU activation in its tanh form, one thread an element.

#include <math.h>

__global__ void gelu(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        y[i] = 0.5 * x[i] * (1.0 + tanh(0.7978845608028654 * (x[i] + 0.044715 * x[i] * x[i] * x[i])));
    }
}

extern "C" void solve(const float* x, float* y, int n) {
    int threads = 64;
    gelu<<<(n + threads - 1) / threads, threads>>>(x, y, n);
}
