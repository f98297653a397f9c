__global__ void bmm(const float* a, const float* b, float* c, int batch, int m, int n, int k) {
    int col = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    int z = blockIdx.z;
    if (row >= m || col >= n) return;
    float sum = 0.0f;
    for (int i = 0; i < k; ++i) sum += a[(z * m + row) * k + i] * b[(z * k + i) * n + col];
    c[(z * m + row) * n + col] = sum;
}
extern "C" void solve(const float* a, const float* b, float* c, int batch, int m, int n, int k) {
    dim3 grid((n + 15) / 16, (m + 15) / 16, batch);
    bmm<<<grid, dim3(16, 16)>>>(a, b, c, batch, m, n, k);
}
