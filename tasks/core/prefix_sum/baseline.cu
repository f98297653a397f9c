// Inclusive prefix sum: scan each block, scan the blocks' totals, add what came before.
// scratch: totals f32 [cdiv(n,256)]
// launch: scan_blocks grid=cdiv(n,256) block=256 args=(x, y, totals, n)
// launch: scan_totals grid=1 block=1024 args=(totals, n)
// launch: add_totals grid=cdiv(n,256) block=256 args=(y, totals, n)

__global__ void scan_blocks(const float* x, float* y, float* totals, int n) {
    __shared__ float values[256];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    values[threadIdx.x] = i < n ? x[i] : 0.0f;
    __syncthreads();
    for (int distance = 1; distance < blockDim.x; distance *= 2) {
        float before = threadIdx.x >= distance ? values[threadIdx.x - distance] : 0.0f;
        __syncthreads();
        values[threadIdx.x] += before;
        __syncthreads();
    }
    if (i < n) {
        y[i] = values[threadIdx.x];
    }
    if (threadIdx.x == blockDim.x - 1) {
        totals[blockIdx.x] = values[threadIdx.x];
    }
}

__global__ void scan_totals(float* totals, int n) {
    __shared__ float values[1024];
    __shared__ float carry;
    int blocks = (n + 255) / 256;
    if (threadIdx.x == 0) {
        carry = 0.0f;
    }
    for (int start = 0; start < blocks; start += 1024) {
        int i = start + threadIdx.x;
        values[threadIdx.x] = i < blocks ? totals[i] : 0.0f;
        __syncthreads();
        for (int distance = 1; distance < 1024; distance *= 2) {
            float before = threadIdx.x >= distance ? values[threadIdx.x - distance] : 0.0f;
            __syncthreads();
            values[threadIdx.x] += before;
            __syncthreads();
        }
        if (i < blocks) {
            totals[i] = values[threadIdx.x] + carry;
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            carry += values[1023];
        }
        __syncthreads();
    }
}

__global__ void add_totals(float* y, const float* totals, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n && blockIdx.x > 0) {
        y[i] += totals[blockIdx.x - 1];
    }
}
