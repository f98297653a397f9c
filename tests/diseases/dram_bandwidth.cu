// disease: memory bandwidth
// because: every thread has eight independent 16-byte loads under way, so DRAM delivers all it can and nothing else is near a limit
// device: any

// launch: sum_pieces grid=(pieces) block=(256) args=(x, y)

__global__ void __launch_bounds__(256) sum_pieces(const int4* x, int* y) {
    const int4* piece = x + blockIdx.x * 2048;
    int4 held[8];
#pragma unroll
    for (int k = 0; k < 8; ++k) held[k] = piece[threadIdx.x + 256 * k];
    int sum = 0;
#pragma unroll
    for (int k = 0; k < 8; ++k) sum += held[k].x + held[k].y + held[k].z + held[k].w;
    y[blockIdx.x * 256 + threadIdx.x] = sum;
}
