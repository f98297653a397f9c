// launch: transpose grid=(cdiv(rows,32), cdiv(cols,32)) block=(32,32) args=(x, y, rows, cols)
__global__ void transpose(const float* x, float* y, int rows, int cols) {
    // one store a thread
    __shared__ float tile[32][32 + 1];
    int first_row = blockIdx.x * 32;
    int first_col = blockIdx.y * 32;
    int row = first_row + threadIdx.y;
    int col = first_col + threadIdx.x;
    if (row < rows && col < cols) {
        tile[threadIdx.y][threadIdx.x] = x[row * cols + col];
    }
    __syncthreads();
    row = first_row + threadIdx.x;
    col = first_col + threadIdx.y;
    if (row < rows && col < cols) {
        y[col * rows + row] = tile[threadIdx.x][threadIdx.y];
    }
}
