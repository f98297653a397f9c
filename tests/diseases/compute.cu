// disease: compute throughput
// because: eight independent chains of multiply-adds a thread keep the float32 pipes full, and memory is touched once
// device: any

// launch: chains grid=(blocks) block=(256) args=(x, y, factor, passes)

__global__ void __launch_bounds__(256) chains(const float* x, float* y, float factor, int passes) {
    float step = x[threadIdx.x], held[8];
#pragma unroll
    for (int k = 0; k < 8; ++k) held[k] = x[(threadIdx.x + k) % 256];
#pragma unroll 4
    for (int pass = 0; pass < passes; ++pass) {
#pragma unroll
        for (int k = 0; k < 8; ++k) held[k] = fmaf(held[k], factor, step);
    }
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 8; ++k) sum += held[k];
    y[blockIdx.x * 256 + threadIdx.x] = sum;
}
