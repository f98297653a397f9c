// disease: divergence
// because: neighbouring lanes take eight different loops, which a warp goes through one after the other with four lanes in each
// device: any

// launch: eight_ways grid=(blocks) block=(256) args=(x, y, passes)

__global__ void __launch_bounds__(256) eight_ways(const float* x, float* y, int passes) {
    float v = fabsf(x[threadIdx.x]);
    switch (threadIdx.x % 8) {
        case 0:
            for (int pass = 0; pass < passes; ++pass) v = fmaf(v, 0.5f, 1.0f);
            break;
        case 1:
            for (int pass = 0; pass < passes; ++pass) v = sqrtf(fmaf(0.5f * v, v, 1.0f));
            break;
        case 2:
            for (int pass = 0; pass < passes; ++pass) v = 0.5f / fmaf(v, v, 1.0f);
            break;
        case 3:
            for (int pass = 0; pass < passes; ++pass) v = expf(-0.5f * v);
            break;
        case 4:
            for (int pass = 0; pass < passes; ++pass) v = fabsf(v - 1.0f) * 0.5f;
            break;
        case 5:
            for (int pass = 0; pass < passes; ++pass) v = fmaxf(0.25f * v, 0.125f) + 0.0625f;
            break;
        case 6:
            for (int pass = 0; pass < passes; ++pass) v = (v + 2.0f) / (v + 1.0f);
            break;
        default:
            for (int pass = 0; pass < passes; ++pass) v = 0.5f * logf(v + 2.0f);
    }
    y[blockIdx.x * 256 + threadIdx.x] = v;
}
