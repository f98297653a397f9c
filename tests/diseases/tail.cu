// disease: tail effect
// because: a multiprocessor holds one block, and there are 139 blocks for 132 of them: the last seven run while 125 multiprocessors stand still
// device: any

// launch: chains grid=(blocks) block=(1024) shared=131072 args=(x, y, factor, passes)

__global__ void __launch_bounds__(1024, 1) chains(const float* x, float* y, float factor, int passes) {
    extern __shared__ float staged[];
    for (int i = threadIdx.x; i < 32768; i += 1024) staged[i] = x[i % 1024];
    __syncthreads();
    float step = staged[threadIdx.x], held[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) held[k] = staged[8192 * k + (threadIdx.x + k) % 1024];
#pragma unroll 4
    for (int pass = 0; pass < passes; ++pass) {
#pragma unroll
        for (int k = 0; k < 4; ++k) held[k] = fmaf(held[k], factor, step);
    }
    y[blockIdx.x * 1024 + threadIdx.x] = held[0] + held[1] + held[2] + held[3];
}
