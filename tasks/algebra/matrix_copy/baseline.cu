// Copy of a matrix, one thread an element.

__global__ void matrix_copy(const float* x, float* y, int rows, int cols) {
    int col = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    if (row < rows && col < cols) {
        y[(size_t)row * cols + col] = x[(size_t)row * cols + col];
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    dim3 block(32, 8);
    dim3 grid((cols + block.x - 1) / block.x, (rows + block.y - 1) / block.y);
    matrix_copy<<<grid, block>>>(x, y, rows, cols);
}
