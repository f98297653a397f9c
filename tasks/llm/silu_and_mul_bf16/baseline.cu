// silu of the first half of each row times the second half, one thread an element.

#include <cuda_bf16.h>
#include <math.h>

__global__ void silu_and_mul(const __nv_bfloat16* x, __nv_bfloat16* y, int tokens, int inner) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= tokens * inner) return;

    size_t at = (size_t)(i / inner) * 2 * inner + i % inner;
    float gate = __bfloat162float(x[at]), up = __bfloat162float(x[at + inner]);
    y[i] = __float2bfloat16(gate / (1.0f + expf(-gate)) * up);
}

extern "C" void solve(const __nv_bfloat16* x, __nv_bfloat16* y, int tokens, int inner) {
    int count = tokens * inner, threads = 256;
    silu_and_mul<<<(count + threads - 1) / threads, threads>>>(x, y, tokens, inner);
}
