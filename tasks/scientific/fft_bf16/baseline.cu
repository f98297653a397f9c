// Discrete Fourier transform of each row of n complex numbers in bfloat16, n a power of two and at most 4096: radix 2 in float, one block
// a row, in shared memory.

#include <cuda_bf16.h>

__global__ void fft(const __nv_bfloat162* x, __nv_bfloat162* y, int n, int bits) {
    __shared__ float2 values[4096];
    const __nv_bfloat162* signal = x + blockIdx.x * n;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        int from = bits > 0 ? __brev(i) >> (32 - bits) : 0;
        values[i] = __bfloat1622float2(signal[from]);
    }
    __syncthreads();

    for (int half = 1; half < n; half *= 2) {
        for (int i = threadIdx.x; i < n / 2; i += blockDim.x) {
            int j = i % half;
            int top = i / half * 2 * half + j;
            float sine, cosine;
            sincosf(-3.14159265358979f * j / half, &sine, &cosine);
            float2 a = values[top];
            float2 b = values[top + half];
            float2 turned = make_float2(b.x * cosine - b.y * sine, b.x * sine + b.y * cosine);
            values[top] = make_float2(a.x + turned.x, a.y + turned.y);
            values[top + half] = make_float2(a.x - turned.x, a.y - turned.y);
        }
        __syncthreads();
    }

    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        y[blockIdx.x * n + i] = __float22bfloat162_rn(values[i]);
    }
}

extern "C" void solve(const __nv_bfloat16* x, __nv_bfloat16* y, int batch, int n) {
    int bits = 0;
    while (1 << bits < n) {
        ++bits;
    }
    fft<<<batch, 256>>>((const __nv_bfloat162*)x, (__nv_bfloat162*)y, n, bits);
}
