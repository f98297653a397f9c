// disease: atomic contention
// because: a quarter of a million additions meet at four neighbouring words, which one slice of L2 carries out one after the other
// device: gpu

// launch: clear grid=(1) block=(32) args=(counts, bins)
// launch: count grid=(cdiv(n,256)) block=(256) args=(x, counts, n)

__global__ void clear(int* counts, int bins) {
    if (threadIdx.x < bins) counts[threadIdx.x] = 0;
}

__global__ void count(const int* x, int* counts, int n) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n) atomicAdd(&counts[x[i]], 1);
}
