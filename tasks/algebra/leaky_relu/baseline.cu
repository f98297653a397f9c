// Leaky rectified linear unit, one thread an element.

__global__ void leaky_relu(const float* x, float* y, int n, float slope) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float v = x[i];
        y[i] = v > 0.0f ? v : slope * v;
    }
}

extern "C" void solve(const float* x, float* y, int n, float slope) {
    int threads = 256;
    leaky_relu<<<(n + threads - 1) / threads, threads>>>(x, y, n, slope);
}
