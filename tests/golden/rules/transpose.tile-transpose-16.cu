// launch: transpose grid=(cdiv(rows,16), cdiv(cols,16)) block=(16,16) args=(x, y, rows, cols)
__global__ void transpose(const float* x, float* y, int rows, int cols) {
    // one store a thread
    __shared__ float tile[16][16 + 1];
    int first_row = blockIdx.x * 16;
    int first_col = blockIdx.y * 16;
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
