// disease: occupancy
// because: 48 KB of shared memory for two warps leave a multiprocessor room for eight, too few to cover the wait for the one load that each has under way
// device: gpu

// launch: look_up grid=(blocks) block=(64) args=(x, y, steps)

__global__ void __launch_bounds__(64) look_up(const int* x, int* y, int steps) {
    __shared__ int table[12288];
    for (int i = threadIdx.x; i < 12288; i += 64) table[i] = i % 1021;
    __syncthreads();
    int lane = threadIdx.x % 32, sum = 0;
    int at = (blockIdx.x * 2 + threadIdx.x / 32) * 32;
    for (int step = 0; step < steps; ++step) {
        int found = x[at + lane];
        at = __shfl_sync(0xffffffffu, found, 0) / 32 * 32;
        sum += found % 256 + table[(at + lane) % 12288];
    }
    y[blockIdx.x * 64 + threadIdx.x] = sum;
}
