// y = A x, one thread a row.

__global__ void matrix_vector_mul(const float* a, const float* x, float* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
        float sum = 0.0f;
        for (int col = 0; col < cols; ++col) {
            sum += a[(size_t)row * cols + col] * x[col];
        }
        y[row] = sum;
    }
}

extern "C" void solve(const float* a, const float* x, float* y, int rows, int cols) {
    int threads = 64;
    matrix_vector_mul<<<(rows + threads - 1) / threads, threads>>>(a, x, y, rows, cols);
}
