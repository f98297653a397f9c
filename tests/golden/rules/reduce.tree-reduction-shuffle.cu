// Sum of a vector by an interleaved tree.
__global__ void reduce(const float* x, float* sum, int n) {
    __shared__ float partial[256];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    partial[threadIdx.x] = i < n ? x[i] : 0.0f;
    __syncthreads();
    for (int stride = blockDim.x / 2; stride > 16; stride /= 2) {
        if (threadIdx.x < stride) {
            partial[threadIdx.x] += partial[threadIdx.x + stride];
        }
        __syncthreads();
    }
    if (threadIdx.x < 32) {
        auto warp_sum = partial[threadIdx.x];
        for (int offset = 16; offset > 0; offset /= 2) {
            warp_sum += __shfl_down_sync(0xffffffffu, warp_sum, offset);
        }
        if (threadIdx.x == 0) {
            partial[0] = warp_sum;
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) atomicAdd(sum, partial[0]);
}

extern "C" void solve(const float* x, float* sum, int n) {
    cudaMemsetAsync(sum, 0, sizeof(float));
    reduce<<<(n + 255) / 256, 256>>>(x, sum, n);
}
