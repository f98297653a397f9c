// a flat index over two sizes, and a pointer that is not const although it is only read
__global__ void scale(float* x, float* factor, int total, int width) {
    int idx = blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= total) return;
    int r = idx / width;
    x[idx] *= factor[r];
}
extern "C" void solve(float* x, float* factor, int height, int width) {
    int total = height * width;
    scale<<<(total + 127) / 128, 128>>>(x, factor, total, width);
}
