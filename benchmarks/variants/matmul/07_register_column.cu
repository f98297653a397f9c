// 64 x 64 tiles, 8 elements of a column a thread: eight products for nine shared loads.
__global__ void matmul(const float* a, const float* b, float* c, int m, int n, int k) {
    __shared__ float as[64][8], bs[8][64];
    int tid = threadIdx.x, tx = tid % 64, ty = tid / 64;
    int col0 = blockIdx.x * 64, row0 = blockIdx.y * 64;
    float sum[8] = {};
    for (int t = 0; t < k; t += 8) {
        int ar = tid / 8, ac = tid % 8;
        as[ar][ac] = row0 + ar < m && t + ac < k ? a[(row0 + ar) * k + t + ac] : 0.0f;
        bs[ty][tx] = t + ty < k && col0 + tx < n ? b[(t + ty) * n + col0 + tx] : 0.0f;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            float bv = bs[i][tx];
#pragma unroll
            for (int j = 0; j < 8; ++j) sum[j] += as[ty * 8 + j][i] * bv;
        }
        __syncthreads();
    }
    for (int j = 0; j < 8; ++j)
        if (row0 + ty * 8 + j < m && col0 + tx < n) c[(row0 + ty * 8 + j) * n + col0 + tx] = sum[j];
}

extern "C" void solve(const float* a, const float* b, float* c, int m, int n, int k) {
    matmul<<<dim3((n + 63) / 64, (m + 63) / 64), 512>>>(a, b, c, m, n, k);
}
