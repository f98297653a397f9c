// Read once, written once, as float4 (cols a multiple of 4, at most 2048).
#include <math.h>
__global__ void softmax(const float* x, float* y, int cols) {
    __shared__ float part[8];
    const float4* in = reinterpret_cast<const float4*>(x + (size_t)blockIdx.x * cols);
    float4* out = reinterpret_cast<float4*>(y + (size_t)blockIdx.x * cols);
    int quads = cols / 4;
    float4 v[2];
    float top = -INFINITY;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
        int i = threadIdx.x + 256 * j;
        v[j] = i < quads ? in[i] : make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY);
        top = fmaxf(top, fmaxf(fmaxf(v[j].x, v[j].y), fmaxf(v[j].z, v[j].w)));
    }
    for (int d = 16; d > 0; d /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, d));
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = top;
    __syncthreads();
    for (int w = 0; w < 8; ++w) top = fmaxf(top, part[w]);
    __syncthreads();
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
        v[j].x = __expf(v[j].x - top);
        v[j].y = __expf(v[j].y - top);
        v[j].z = __expf(v[j].z - top);
        v[j].w = __expf(v[j].w - top);
        sum += v[j].x + v[j].y + v[j].z + v[j].w;
    }
    for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0.0f;
    for (int w = 0; w < 8; ++w) sum += part[w];
    float scale = 1.0f / sum;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
        int i = threadIdx.x + 256 * j;
        if (i < quads) out[i] = make_float4(v[j].x * scale, v[j].y * scale, v[j].z * scale, v[j].w * scale);
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    softmax<<<rows, 256>>>(x, y, cols);
}
