// y = A x + beta y, one thread a row; the sum does not begin at zero.
__global__ void gemv(const float* a, const float* x, float* y, int rows, int cols, float beta) {
    int row = (threadIdx.x + blockIdx.x * blockDim.x) / 32;
    int lane = threadIdx.x % 32;
    if (row >= rows) return;
    float sum = beta * y[row];
    if (lane != 0) sum = 0;
    for (int j = lane; j < cols; j += 32) {
        sum += a[row * cols + j] * x[j];
    }
    for (int offset = 16; offset > 0; offset /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, offset);
    }
    if (lane == 0) y[row] = sum;
    __syncwarp();
}

extern "C" void solve(const float* a, const float* x, float* y, int rows, int cols, float beta) {
    gemv<<<((rows + 63) / 64) * 32, 64>>>(a, x, y, rows, cols, beta);
}
