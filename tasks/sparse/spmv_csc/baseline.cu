// y = A x for a sparse matrix in compressed columns: one thread a column, which it adds to the rows that it meets.

__global__ void clear(float* y, int rows) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
        y[row] = 0.0f;
    }
}

__global__ void spmv_csc(const int* starts, const int* row_of, const float* values, const float* x, float* y, int cols) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= cols) return;
    float factor = x[column];
    for (int i = starts[column]; i < starts[column + 1]; ++i) {
        atomicAdd(&y[row_of[i]], values[i] * factor);
    }
}

extern "C" void solve(const int* starts, const int* row_of, const float* values, const float* x, float* y, int rows, int cols) {
    int threads = 128;
    clear<<<(rows + threads - 1) / threads, threads>>>(y, rows);
    spmv_csc<<<(cols + threads - 1) / threads, threads>>>(starts, row_of, values, x, y, cols);
}
