// A tile whose columns lie in one bank; the other array is used as a plain pointer.
__global__ void tile(const float* x, float* y, float scale) {
    __shared__ float square[32][32], flat[32][32];
    float* first = &flat[0][0];
    square[threadIdx.y][threadIdx.x] = x[threadIdx.y * 32 + threadIdx.x];
    first[threadIdx.x] = 1.0f;
    __syncthreads();
    y[threadIdx.y * 32 + threadIdx.x] = square[threadIdx.x][threadIdx.y] * first[threadIdx.x] * sqrtf(2.0f) * .5f * 1e-3f * scale;
}

extern "C" void solve(const float* x, float* y) { tile<<<1, dim3(32, 32)>>>(x, y, 1.0); }
