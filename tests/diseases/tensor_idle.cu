// disease: tensor pipe idle
// because: a product of bfloat16 matrices, tiled through shared memory and registers without conflicts, is added up on the float32 pipes
// device: any

// launch: multiply grid=(n / 128, m / 128) block=(256) args=(a, b, c, m, n, k)

#include <cuda_bf16.h>

__global__ void __launch_bounds__(256, 2) multiply(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c, int m, int n, int k) {
    __shared__ float rows[16][130];
    __shared__ __align__(16) float columns[16][128];
    int across = threadIdx.x % 16, down = threadIdx.x / 16, half = threadIdx.x % 2 * 8;
    const uint4* from_a = (const uint4*)(a + (blockIdx.y * 128 + threadIdx.x / 2) * k + half);
    const uint4* from_b = (const uint4*)(b + down * n + blockIdx.x * 128 + 8 * across);
    float held[8][8] = {};
    for (int at = 0; at < k; at += 16) {
        uint4 found_a = from_a[at / 8], found_b = from_b[at * n / 8];
        const __nv_bfloat16 *left_in = (const __nv_bfloat16*)&found_a, *right_in = (const __nv_bfloat16*)&found_b;
#pragma unroll
        for (int i = 0; i < 8; ++i) rows[half + i][threadIdx.x / 2] = __bfloat162float(left_in[i]);
        float4* into = (float4*)&columns[down][8 * across];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const __nv_bfloat16* four = right_in + 4 * i;
            into[i] = make_float4(__bfloat162float(four[0]), __bfloat162float(four[1]), __bfloat162float(four[2]), __bfloat162float(four[3]));
        }
        __syncthreads();
#pragma unroll
        for (int d = 0; d < 16; ++d) {
            float left[8], right[8];
#pragma unroll
            for (int i = 0; i < 8; ++i) left[i] = rows[d][down + 16 * i];
#pragma unroll
            for (int i = 0; i < 8; ++i) right[i] = columns[d][across + 16 * i];
#pragma unroll
            for (int i = 0; i < 8; ++i) {
#pragma unroll
                for (int j = 0; j < 8; ++j) held[i][j] = fmaf(left[i], right[j], held[i][j]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) c[(blockIdx.y * 128 + down + 16 * i) * n + blockIdx.x * 128 + across + 16 * j] = held[i][j];
    }
}
