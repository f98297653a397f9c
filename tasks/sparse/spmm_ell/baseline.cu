// C = A B for a sparse matrix with `width` slots a row and a dense one of k columns: one thread an element of C.

__global__ void spmm_ell(const int* columns, const float* values, const float* b, float* c, int rows, int k, int width) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int row = thread / k;
    int j = thread % k;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int slot = row * width; slot < (row + 1) * width && columns[slot] >= 0; ++slot) {
        sum += values[slot] * b[columns[slot] * k + j];
    }
    c[row * k + j] = sum;
}

extern "C" void solve(const int* columns, const float* values, const float* b, float* c, int rows, int cols, int k, int width) {
    int threads = 256;
    spmm_ell<<<(rows * k + threads - 1) / threads, threads>>>(columns, values, b, c, rows, k, width);
}
