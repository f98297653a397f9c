// disease: occupancy
// because: 160 sums a thread leave a multiprocessor room for eight warps, too few to cover the wait for the one load that each has under way
// device: gpu

// launch: gather grid=(blocks) block=(256) args=(x, y, rounds)

__global__ void __launch_bounds__(256, 1) gather(const int* x, float* y, int rounds) {
    int lane = threadIdx.x % 32;
    int at = (blockIdx.x * 8 + threadIdx.x / 32) * 32;
    float held[160];
#pragma unroll
    for (int k = 0; k < 160; ++k) held[k] = (float)k;
    for (int round = 0; round < rounds; ++round) {
#pragma unroll
        for (int step = 0; step < 32; ++step) {
            int found = x[at + lane];
#pragma unroll
            for (int k = 0; k < 5; ++k) held[5 * step + k] = fmaf(held[5 * step + k], 0.5f, (float)(found % 256));
            at = __shfl_sync(0xffffffffu, found, 0) / 32 * 32;
        }
    }
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 160; ++k) sum += held[k];
    y[blockIdx.x * 256 + threadIdx.x] = sum;
}
