// disease: launch overhead
// because: thirteen kernels of a microsecond each wait for one another, and starting each takes longer than its work
// device: any

// launch: start grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)
// launch: step grid=(cdiv(n,256)) block=(256) args=(x, y, n)

__global__ void start(const float* x, float* y, int n) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n) y[i] = x[i];
}

__global__ void step(const float* x, float* y, int n) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < n) y[i] = fmaf(0.5f, y[i], x[n - 1 - i]);
}
