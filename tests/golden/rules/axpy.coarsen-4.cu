// y = alpha x + y with a test, one thread an element.
__global__ void axpy(const float* x, float* y, int n, float alpha) {
    int first = blockIdx.x * (blockDim.x * 4) + threadIdx.x;
    #pragma unroll
    for (int part = 0; part < 4; ++part) {
        int i = first + part * blockDim.x;
        if (i < n) {
            float value = alpha * x[i];
            // only what is positive
            if (value > 0.0f) {
                y[i] = value + y[i];
            }
        }
    }
}

extern "C" void solve(const float* x, float* y, int n, float alpha) {
    axpy<<<(((n + 255) / 256) + 3) / 4, 256>>>(x, y, n, alpha);
}
