__global__ void saxpy(float alpha, const float* x, float* y, size_t n) {
    for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        y[i] = alpha * x[i] + y[i];
    }
}
extern "C" void solve(float alpha, const float* x, float* y, size_t n) { saxpy<<<1024, 256>>>(alpha, x, y, n); }
