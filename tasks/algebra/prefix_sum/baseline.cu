// Inclusive prefix sum: total of each block, scan of the totals in one block, scan of each block from there.

#define THREADS 1024

// The sum of `value` over this thread and those before it in the block.
__device__ float block_scan(float value) {
    __shared__ float values[THREADS];
    values[threadIdx.x] = value;
    __syncthreads();
    for (int distance = 1; distance < THREADS; distance *= 2) {
        float before = threadIdx.x >= distance ? values[threadIdx.x - distance] : 0.0f;
        __syncthreads();
        values[threadIdx.x] += before;
        __syncthreads();
    }
    return values[threadIdx.x];
}

__global__ void add_up(const float* x, float* totals, int n) {
    int i = blockIdx.x * THREADS + threadIdx.x;
    float sum = block_scan(i < n ? x[i] : 0.0f);
    if (threadIdx.x == THREADS - 1) {
        totals[blockIdx.x] = sum;
    }
}

__global__ void scan_totals(float* totals, int blocks) {
    __shared__ float carry;
    if (threadIdx.x == 0) {
        carry = 0.0f;
    }
    for (int start = 0; start < blocks; start += THREADS) {
        int i = start + threadIdx.x;
        float sum = block_scan(i < blocks ? totals[i] : 0.0f) + carry;
        if (i < blocks) {
            totals[i] = sum;
        }
        __syncthreads();
        if (threadIdx.x == THREADS - 1) {
            carry = sum;
        }
        __syncthreads();
    }
}

__global__ void scan(const float* x, const float* totals, float* y, int n) {
    int i = blockIdx.x * THREADS + threadIdx.x;
    float sum = block_scan(i < n ? x[i] : 0.0f);
    if (i < n) {
        y[i] = blockIdx.x > 0 ? totals[blockIdx.x - 1] + sum : sum;
    }
}

extern "C" void solve(const float* x, float* y, int n) {
    int blocks = (n + THREADS - 1) / THREADS;
    float* totals;
    cudaMallocAsync(&totals, blocks * sizeof(float), 0);
    add_up<<<blocks, THREADS>>>(x, totals, n);
    scan_totals<<<1, THREADS>>>(totals, blocks);
    scan<<<blocks, THREADS>>>(x, totals, y, n);
    cudaFreeAsync(totals, 0);
}
