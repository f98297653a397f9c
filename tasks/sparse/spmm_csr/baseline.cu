// C = A B for a sparse matrix in compressed rows and a dense one of k columns: one thread an element of C.

__global__ void spmm_csr(const int* starts, const int* columns, const float* values, const float* b, float* c, int rows, int k) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int row = thread / k;
    int j = thread % k;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int i = starts[row]; i < starts[row + 1]; ++i) {
        sum += values[i] * b[columns[i] * k + j];
    }
    c[row * k + j] = sum;
}

extern "C" void solve(const int* starts, const int* columns, const float* values, const float* b, float* c, int rows, int cols, int k) {
    int threads = 256;
    spmm_csr<<<(rows * k + threads - 1) / threads, threads>>>(starts, columns, values, b, c, rows, k);
}
