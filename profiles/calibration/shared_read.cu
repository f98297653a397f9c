// Reads shared memory in 16-byte vectors without bank conflicts, from another place each pass.

// launch: read_shared grid=(blocks) block=(1024) args=(x, y, passes)

__global__ void __launch_bounds__(1024) read_shared(const int4* x, int* y, int passes) {
    __shared__ int4 tile[2048];
    for (int i = threadIdx.x; i < 2048; i += 1024) tile[i] = x[i];
    __syncthreads();

    int sum = 0;
    for (int pass = 0; pass < passes; ++pass) {
        const int4* from = tile + ((threadIdx.x + pass) & 1023);
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            int4 held = from[64 * k];
            sum += held.x ^ held.y ^ held.z ^ held.w;
        }
    }
    y[blockIdx.x * 1024 + threadIdx.x] = sum;
}
