// launch: transpose grid=(cdiv(cols,16), cdiv(rows,16)) block=(16,16) args=(x, y, rows, cols)
__global__ void transpose(const float* x, float* y, int rows, int cols) {
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    int col = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows && col < cols) {
        y[col * rows + row] = x[row * cols + col];  // one store a thread
    }
}
