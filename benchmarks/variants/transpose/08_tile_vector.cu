// 64 x 64 padded tile moved with float4 on both sides; sizes must be multiples of 64.
__global__ void transpose(const float* x, float* y, int rows, int cols) {
    __shared__ float tile[64][65];
    int lane = threadIdx.x;
    int r0 = blockIdx.y * 64, c0 = blockIdx.x * 64;
    for (int i = threadIdx.y; i < 64; i += 16) {
        float4 v = *reinterpret_cast<const float4*>(x + (size_t)(r0 + i) * cols + c0 + 4 * lane);
        tile[i][4 * lane] = v.x;
        tile[i][4 * lane + 1] = v.y;
        tile[i][4 * lane + 2] = v.z;
        tile[i][4 * lane + 3] = v.w;
    }
    __syncthreads();
    for (int i = threadIdx.y; i < 64; i += 16) {
        float4 v = make_float4(tile[4 * lane][i], tile[4 * lane + 1][i], tile[4 * lane + 2][i], tile[4 * lane + 3][i]);
        *reinterpret_cast<float4*>(y + (size_t)(c0 + i) * rows + r0 + 4 * lane) = v;
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    transpose<<<dim3(cols / 64, rows / 64), dim3(16, 16)>>>(x, y, rows, cols);
}
