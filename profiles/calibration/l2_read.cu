// Reads a buffer that fits into L2 again and again, past L1 (ld.global.cg). Each pass a block reads what its neighbour read before.

// launch: read_l2 grid=(blocks) block=(512) args=(x, y, passes)

__global__ void __launch_bounds__(512, 3) read_l2(const int4* x, int* y, int passes) {
    int threads = gridDim.x * 512;
    int thread = blockIdx.x * 512 + threadIdx.x;
    int place = thread, sum = 0;
    for (int pass = 0; pass < passes; ++pass) {
        int4 held[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) held[k] = __ldcg(x + place + k * threads);
#pragma unroll
        for (int k = 0; k < 4; ++k) sum += held[k].x ^ held[k].y ^ held[k].z ^ held[k].w;
        place += 512;
        if (place >= threads) place -= threads;
    }
    y[thread] = sum;
}
