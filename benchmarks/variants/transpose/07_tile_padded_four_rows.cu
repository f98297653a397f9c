// Padded tile, 32 x 8 threads, four rows a thread: more independent loads in flight, smaller blocks.
__global__ void transpose(const float* x, float* y, int rows, int cols) {
    __shared__ float tile[32][33];
    int c = blockIdx.x * 32 + threadIdx.x;
    int r = blockIdx.y * 32 + threadIdx.y;
#pragma unroll
    for (int i = 0; i < 32; i += 8)
        if (r + i < rows && c < cols) tile[threadIdx.y + i][threadIdx.x] = x[(size_t)(r + i) * cols + c];
    __syncthreads();
    int oc = blockIdx.y * 32 + threadIdx.x;
    int orow = blockIdx.x * 32 + threadIdx.y;
#pragma unroll
    for (int i = 0; i < 32; i += 8)
        if (orow + i < cols && oc < rows) y[(size_t)(orow + i) * rows + oc] = tile[threadIdx.x][threadIdx.y + i];
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    transpose<<<dim3((cols + 31) / 32, (rows + 31) / 32), dim3(32, 8)>>>(x, y, rows, cols);
}
