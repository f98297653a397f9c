// Rectified linear unit, one thread an element.

#include <math.h>

__global__ void relu(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float v = x[i];
        y[i] = fmaxf(v, 0.0f);
    }
}

extern "C" void solve(const float* x, float* y, int n) {
    int threads = 256;
    relu<<<(n + threads - 1) / threads, threads>>>(x, y, n);
}
