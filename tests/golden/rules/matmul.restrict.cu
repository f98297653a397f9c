// C = A B, one thread an element: 16 by 16 threads.
#define SIDE 16

__global__ void matmul(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int n, int k) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    int col = blockIdx.y * blockDim.y + threadIdx.y;
    if (row < m && col < n) {
        c[row * n + col] = 0.0f;
        /* "k" is the inner size */
        for (int i = 0; i < k; ++i) {
            c[row * n + col] += a[row * k + i] * b[i * n + col];
        }
    }
}

extern "C" void solve(const float* a, const float* b, float* c, int m, int n, int k) {
    dim3 block(SIDE, SIDE);
    dim3 grid((m + SIDE - 1) / SIDE, (n + SIDE - 1) / SIDE);
    matmul<<<grid, block>>>(a, b, c, m, n, k);
}
