// A weighted sum of each point of a grid and its six neighbours; the border keeps its values.

#include <cuda_bf16.h>

__global__ void stencil_3d(const __nv_bfloat16* u, const __nv_bfloat16* weights, __nv_bfloat16* v, int depth, int height, int width) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    int z = blockIdx.z * blockDim.z + threadIdx.z;
    if (x >= width || y >= height || z >= depth) return;
    int plane = height * width;
    int i = z * plane + y * width + x;
    if (x == 0 || y == 0 || z == 0 || x == width - 1 || y == height - 1 || z == depth - 1) {
        v[i] = u[i];
        return;
    }
    float sum = __bfloat162float(weights[0]) * __bfloat162float(u[i]);
    sum += __bfloat162float(weights[1]) * __bfloat162float(u[i - plane]);
    sum += __bfloat162float(weights[2]) * __bfloat162float(u[i + plane]);
    sum += __bfloat162float(weights[3]) * __bfloat162float(u[i - width]);
    sum += __bfloat162float(weights[4]) * __bfloat162float(u[i + width]);
    sum += __bfloat162float(weights[5]) * __bfloat162float(u[i - 1]);
    sum += __bfloat162float(weights[6]) * __bfloat162float(u[i + 1]);
    v[i] = __float2bfloat16(sum);
}

extern "C" void solve(const __nv_bfloat16* u, const __nv_bfloat16* weights, __nv_bfloat16* v, int depth, int height, int width) {
    dim3 threads(8, 8, 8);
    dim3 blocks((width + 7) / 8, (height + 7) / 8, (depth + 7) / 8);
    stencil_3d<<<blocks, threads>>>(u, weights, v, depth, height, width);
}
