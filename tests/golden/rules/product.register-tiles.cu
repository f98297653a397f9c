// The same with the running sum in a register.
__global__ void product(const float* a, const float* b, float* c, int m, int n, int k, float alpha) {
    // scaled at the end
    __shared__ float tile_a[16][64 + 1];
    __shared__ float tile_b[16][64];
    int corner_row = blockIdx.y * 64, corner_col = blockIdx.x * 64;
    float part[4][4] = {};
    for (int step = 0; step < k; step += 16) {
        for (int at = threadIdx.y * 16 + threadIdx.x; at < 1024; at += 256) {
            int a_row = corner_row + at / 16, a_col = step + at % 16;
            int b_row = step + at / 64, b_col = corner_col + at % 64;
            tile_a[at % 16][at / 16] = a_row < m && a_col < k ? a[a_row * k + a_col] : (float)0;
            tile_b[at / 64][at % 64] = b_row < k && b_col < n ? b[b_row * n + b_col] : (float)0;
        }
        __syncthreads();
        for (int i = 0; i < 16; ++i) {
            #pragma unroll
            for (int down = 0; down < 4; ++down) {
                #pragma unroll
                for (int across = 0; across < 4; ++across) {
                    part[down][across] += tile_a[i][threadIdx.y * 4 + down] * tile_b[i][threadIdx.x + across * 16];
                }
            }
        }
        __syncthreads();
    }
    #pragma unroll
    for (int down = 0; down < 4; ++down) {
        #pragma unroll
        for (int across = 0; across < 4; ++across) {
            int row = corner_row + threadIdx.y * 4 + down, col = corner_col + threadIdx.x + across * 16;
            if (row < m && col < n) {
                float sum = part[down][across];
                c[row * n + col] = alpha * sum;
            }
        }
    }
}

extern "C" void solve(const float* a, const float* b, float* c, int m, int n, int k, float alpha) {
    product<<<dim3((((n + 15) / 16) + 3) / 4, (((m + 15) / 16) + 3) / 4), dim3(16, 16)>>>(a, b, c, m, n, k, alpha);
}
