// y = A x for a sparse matrix in coordinates, sorted by row: one thread an entry, which it adds to its row.

__global__ void clear(float* y, int rows) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
        y[row] = 0.0f;
    }
}

__global__ void spmv_coo(const int* row_of, const int* columns, const float* values, const float* x, float* y, int nonzeros) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < nonzeros) {
        atomicAdd(&y[row_of[i]], values[i] * x[columns[i]]);
    }
}

extern "C" void solve(const int* row_of, const int* columns, const float* values, const float* x, float* y, int rows, int cols,
                      int nonzeros) {
    int threads = 256;
    clear<<<(rows + threads - 1) / threads, threads>>>(y, rows);
    spmv_coo<<<(nonzeros + threads - 1) / threads, threads>>>(row_of, columns, values, x, y, nonzeros);
}
