// disease: L2 bandwidth
// because: a buffer that fits into L2 is read again and again past L1, in a new order each time, with four loads a thread under way
// device: any

// launch: reread grid=(blocks) block=(512) args=(x, y, passes)

__global__ void __launch_bounds__(512, 3) reread(const int4* x, int* y, int passes) {
    int threads = gridDim.x * 512;
    int thread = blockIdx.x * 512 + threadIdx.x;
    int at = thread, sum = 0;
    for (int pass = 0; pass < passes; ++pass) {
        int4 held[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) held[k] = __ldcg(x + at + k * threads);
#pragma unroll
        for (int k = 0; k < 4; ++k) sum += held[k].x ^ held[k].y ^ held[k].z ^ held[k].w;
        at += 512;
        if (at >= threads) at -= threads;
    }
    y[thread] = sum;
}
