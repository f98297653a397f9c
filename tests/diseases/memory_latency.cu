// disease: memory latency
// because: each warp follows a chain of addresses through memory far larger than L2, all warps that fit are there, and one load each is under way
// device: gpu

// launch: follow grid=(blocks) block=(256) args=(x, y, n, steps)

__global__ void __launch_bounds__(256) follow(const int* x, int* y, int n, int steps) {
    int warp = blockIdx.x * 8 + threadIdx.x / 32;
    int at = (int)((long long)warp * 7919 % n);
    for (int step = 0; step < steps; ++step) at = x[at];
    if (threadIdx.x % 32 == 0) y[warp] = at;
}
