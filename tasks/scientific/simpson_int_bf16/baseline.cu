// Composite Simpson's rule for many integrals of a sampled function against the wave cos(w t + p): one block an integral.

#include <cuda_bf16.h>

__global__ void simpson(const __nv_bfloat16* samples, const __nv_bfloat16* bounds, const __nv_bfloat16* waves, float* results, int panels) {
    __shared__ float partial[128];
    int integral = blockIdx.x;
    int nodes = 2 * panels + 1;
    float a = __bfloat162float(bounds[2 * integral]);
    float step = (__bfloat162float(bounds[2 * integral + 1]) - a) / (2 * panels);
    float w = __bfloat162float(waves[2 * integral]);
    float p = __bfloat162float(waves[2 * integral + 1]);

    float sum = 0.0f;
    for (int i = threadIdx.x; i < nodes; i += blockDim.x) {
        float weight = i == 0 || i == nodes - 1 ? 1.0f : i % 2 == 1 ? 4.0f : 2.0f;
        sum += weight * __bfloat162float(samples[integral * nodes + i]) * cosf(w * (a + i * step) + p);
    }
    partial[threadIdx.x] = sum;
    __syncthreads();

    for (int stride = blockDim.x / 2; stride > 0; stride /= 2) {
        if (threadIdx.x < stride) {
            partial[threadIdx.x] += partial[threadIdx.x + stride];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        results[integral] = partial[0] * step / 3.0f;
    }
}

extern "C" void solve(const __nv_bfloat16* samples, const __nv_bfloat16* bounds, const __nv_bfloat16* waves, float* results,
                      int integrals, int panels) {
    simpson<<<integrals, 128>>>(samples, bounds, waves, results, panels);
}
