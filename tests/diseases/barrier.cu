// disease: barrier stalls
// because: one warp of sixteen goes through a long chain of square roots between two barriers, while the others wait for it
// device: any

// launch: take_turns grid=(blocks) block=(512) args=(x, y, rounds, steps)

__global__ void __launch_bounds__(512) take_turns(const float* x, float* y, int rounds, int steps) {
    __shared__ float shown[32];
    float mine = x[threadIdx.x];
    float led = fabsf(mine);
    for (int round = 0; round < rounds; ++round) {
        if (threadIdx.x < 32) {
            for (int step = 0; step < steps; ++step) led = sqrtf(fmaf(0.5f * led, led, 1.0f));
            led += 0.25f;
            shown[threadIdx.x] = led;
        }
        __syncthreads();
        mine = fmaf(0.5f, mine, shown[threadIdx.x % 32]);
        __syncthreads();
    }
    y[blockIdx.x * 512 + threadIdx.x] = mine;
}
