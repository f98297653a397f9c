// GELU activation in its tanh form, one thread an element.

#include <cuda_bf16.h>
#include <math.h>

__global__ void gelu(const __nv_bfloat16* x, __nv_bfloat16* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float v = __bfloat162float(x[i]);
        y[i] = __float2bfloat16(0.5f * v * (1.0f + tanhf(0.7978845608028654f * (v + 0.044715f * v * v * v))));
    }
}

extern "C" void solve(const __nv_bfloat16* x, __nv_bfloat16* y, int n) {
    int threads = 256;
    gelu<<<(n + threads - 1) / threads, threads>>>(x, y, n);
}
