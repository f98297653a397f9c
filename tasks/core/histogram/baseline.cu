// How often each value from 0 to bins-1 occurs, one atomic addition in global memory for each element.

__global__ void clear(int* counts, int bins) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < bins) {
        counts[i] = 0;
    }
}

__global__ void histogram(const int* x, int* counts, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        atomicAdd(&counts[x[i]], 1);
    }
}

extern "C" void solve(const int* x, int* counts, int n, int bins) {
    clear<<<(bins + 127) / 128, 128>>>(counts, bins);
    histogram<<<(n + 127) / 128, 128>>>(x, counts, n);
}
