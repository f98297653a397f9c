// 64 x 64 tiles, 4 x 4 elements a thread: sixteen products for eight shared loads.
__global__ void matmul(const float* a, const float* b, float* c, int m, int n, int k) {
    __shared__ float as[16][65], bs[16][64];
    int tid = threadIdx.x, tx = tid % 16, ty = tid / 16;
    int col0 = blockIdx.x * 64, row0 = blockIdx.y * 64;
    float sum[4][4] = {};
    for (int t = 0; t < k; t += 16) {
        for (int e = tid; e < 64 * 16; e += 256) {
            int ar = e / 16, ac = e % 16;
            as[ac][ar] = row0 + ar < m && t + ac < k ? a[(row0 + ar) * k + t + ac] : 0.0f;
            int br = e / 64, bc = e % 64;
            bs[br][bc] = t + br < k && col0 + bc < n ? b[(t + br) * n + col0 + bc] : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 16; ++i) {
            float av[4], bv[4];
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                av[j] = as[i][ty * 4 + j];
                bv[j] = bs[i][tx + 16 * j];
            }
#pragma unroll
            for (int p = 0; p < 4; ++p)
#pragma unroll
                for (int q = 0; q < 4; ++q) sum[p][q] += av[p] * bv[q];
        }
        __syncthreads();
    }
    for (int p = 0; p < 4; ++p)
        for (int q = 0; q < 4; ++q) {
            int row = row0 + ty * 4 + p, col = col0 + tx + 16 * q;
            if (row < m && col < n) c[row * n + col] = sum[p][q];
        }
}

extern "C" void solve(const float* a, const float* b, float* c, int m, int n, int k) {
    matmul<<<dim3((n + 63) / 64, (m + 63) / 64), 256>>>(a, b, c, m, n, k);
}
