// disease: shared-memory bank conflicts
// because: lanes read down a column of a tile that is 32 words wide, so that all 32 want the same bank
// device: any

// launch: sum_rows grid=(blocks) block=(256) args=(x, y, passes)

__global__ void __launch_bounds__(256) sum_rows(const float* x, float* y, int passes) {
    __shared__ float tile[32][32];
    for (int i = threadIdx.x; i < 1024; i += 256) tile[i / 32][i % 32] = x[i];
    __syncthreads();
    int lane = threadIdx.x % 32, first = threadIdx.x / 32;
    float sum = 0.0f;
    for (int pass = 0; pass < passes; ++pass) {
        for (int k = 0; k < 32; ++k) sum += tile[lane][(first + pass + k) % 32];
    }
    y[blockIdx.x * 256 + threadIdx.x] = sum;
}
