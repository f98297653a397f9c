// launch: transpose grid=(cdiv(rows,32), cdiv(cols,8)) block=(32,8) args=(x, y, rows, cols)
__global__ void transpose(const float* x, float* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    int col = blockIdx.y * blockDim.y + threadIdx.y;
    if (row < rows && col < cols) {
        y[col * rows + row] = x[row * cols + col];  // one store a thread
    }
}
