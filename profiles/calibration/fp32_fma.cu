// Eight independent chains of fused multiply-adds a thread.

// launch: multiply_add grid=(blocks) block=(512) args=(x, y, factor, passes)

__global__ void multiply_add(const float* x, float* y, float factor, int passes) {
    float chain[8], addend = x[threadIdx.x], sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 8; ++k) chain[k] = x[(threadIdx.x + k) & 511];
#pragma unroll 16
    for (int pass = 0; pass < passes; ++pass) {
#pragma unroll
        for (int k = 0; k < 8; ++k) chain[k] = fmaf(chain[k], factor, addend);
    }
#pragma unroll
    for (int k = 0; k < 8; ++k) sum += chain[k];
    y[blockIdx.x * 512 + threadIdx.x] = sum;
}
