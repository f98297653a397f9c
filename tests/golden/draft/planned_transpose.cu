// launch: transpose grid=(cdiv(cols,32), cdiv(rows,8)) block=(32,8) args=(x, y, rows, cols)
__global__ void transpose(const float* x, float* y, int rows, int cols) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y;
    if (c < cols && r < rows) y[c * rows + r] = x[r * cols + c];
}
