// disease: register spills
// because: 96 sums a thread are kept in 32 registers, as the flags demand, so that most of them go to local memory and back in every pass
// device: gpu

// launch: chains grid=(blocks) block=(256) args=(x, y, factor, passes)

__global__ void chains(const float* x, float* y, float factor, int passes) {
    float held[96];
#pragma unroll
    for (int k = 0; k < 96; ++k) held[k] = x[(threadIdx.x + k) % 256];
    float step = x[threadIdx.x];
    for (int pass = 0; pass < passes; ++pass) {
#pragma unroll
        for (int k = 0; k < 96; ++k) held[k] = fmaf(held[k], factor, step);
        step = held[0];
    }
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 96; ++k) sum += held[k];
    y[blockIdx.x * 256 + threadIdx.x] = sum;
}
