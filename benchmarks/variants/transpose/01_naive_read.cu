// Reads rows, writes columns: every store instruction of a warp touches 32 sectors.
__global__ void transpose(const float* x, float* y, int rows, int cols) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    int r = blockIdx.y * blockDim.y + threadIdx.y;
    if (r < rows && c < cols) y[(size_t)c * rows + r] = x[(size_t)r * cols + c];
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    dim3 block(32, 8);
    transpose<<<dim3((cols + 31) / 32, (rows + 7) / 8), block>>>(x, y, rows, cols);
}
