// y = A x for a sparse matrix in compressed rows: one thread a row.

__global__ void spmv_csr(const int* starts, const int* columns, const float* values, const float* x, float* y, int rows) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int i = starts[row]; i < starts[row + 1]; ++i) {
        sum += values[i] * x[columns[i]];
    }
    y[row] = sum;
}

extern "C" void solve(const int* starts, const int* columns, const float* values, const float* x, float* y, int rows, int cols) {
    int threads = 128;
    spmv_csr<<<(rows + threads - 1) / threads, threads>>>(starts, columns, values, x, y, rows);
}
