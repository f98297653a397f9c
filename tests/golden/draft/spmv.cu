__global__ void spmv(const int* row_ptr, const int* col_idx, const float* vals, const float* x, float* y, int rows) {
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r < rows) {
        float sum = 0;
        for (int j = row_ptr[r]; j < row_ptr[r + 1]; ++j) sum += vals[j] * x[col_idx[j]];
        y[r] = sum;
    }
}
extern "C" void solve(const int* row_ptr, const int* col_idx, const float* vals, const float* x, float* y, int rows, int cols, int nnz) {
    spmv<<<(rows + 255) / 256, 256>>>(row_ptr, col_idx, vals, x, y, rows);
}
