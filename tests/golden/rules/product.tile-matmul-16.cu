// The same with the running sum in a register.
__global__ void product(const float* a, const float* b, float* c, int m, int n, int k, float alpha) {
    int col = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    // scaled at the end
    float sum = 0.0f;
    __shared__ float tile_a[16][16 + 1];
    __shared__ float tile_b[16][16 + 1];
    int load_row = blockIdx.y * 16 + threadIdx.y;
    int load_col = blockIdx.x * 16 + threadIdx.x;
    for (int step = 0; step < k; step += 16) {
        int a_col = step + threadIdx.x, b_row = step + threadIdx.y;
        tile_a[threadIdx.y][threadIdx.x] = load_row < m && a_col < k ? a[load_row * k + a_col] : (float)0;
        tile_b[threadIdx.y][threadIdx.x] = b_row < k && load_col < n ? b[b_row * n + load_col] : (float)0;
        __syncthreads();
        #pragma unroll
        for (int i = 0; i < 16; ++i) {
            sum += tile_a[threadIdx.y][i] * tile_b[i][threadIdx.x];
        }
        __syncthreads();
    }
    if (row < m && col < n) {
        c[row * n + col] = alpha * sum;
    }
}

extern "C" void solve(const float* a, const float* b, float* c, int m, int n, int k, float alpha) {
    product<<<dim3((n + 15) / 16, (m + 15) / 16), dim3(16, 16)>>>(a, b, c, m, n, k, alpha);
}
