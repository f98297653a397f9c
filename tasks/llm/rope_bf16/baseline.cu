// Rotary embedding, one thread a pair: element d of a head and element d + half are turned by the angle of token and d.

#include <cuda_bf16.h>

__global__ void rope(const __nv_bfloat16* x, const __nv_bfloat16* cos, const __nv_bfloat16* sin, __nv_bfloat16* y, int tokens,
                     int heads, int half) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= tokens * heads * half) return;

    int d = i % half, token = i / half / heads;
    size_t first = (size_t)(i / half) * 2 * half + d, second = first + half;
    float c = __bfloat162float(cos[token * half + d]), s = __bfloat162float(sin[token * half + d]);
    float a = __bfloat162float(x[first]), b = __bfloat162float(x[second]);
    y[first] = __float2bfloat16(a * c - b * s);
    y[second] = __float2bfloat16(b * c + a * s);
}

extern "C" void solve(const __nv_bfloat16* x, const __nv_bfloat16* cos, const __nv_bfloat16* sin, __nv_bfloat16* y, int tokens,
                      int heads, int half) {
    int pairs = tokens * heads * half, threads = 256;
    rope<<<(pairs + threads - 1) / threads, threads>>>(x, cos, sin, y, tokens, heads, half);
}
