__global__ void gemm(const double* A, const double* B, double* C, int M, int N, int K, double alpha, double beta) {
    const int col = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;
    if (row < M && col < N) {
        double acc = 0;
        for (int k = 0; k < K; k++) acc += A[row * K + k] * B[k * N + col];
        C[row * N + col] = alpha * acc + beta * C[row * N + col];
    }
}
extern "C" void gemm_launch(const double* A, const double* B, double* C, int M, int N, int K, double alpha, double beta) {
    dim3 block(16, 16), grid((N + 15) / 16, (M + 15) / 16);
    gemm<<<grid, block>>>(A, B, C, M, N, K, alpha, beta);
}
