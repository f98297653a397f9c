// disease: occupancy
// because: eight blocks on 132 multiprocessors leave 124 of them without work
// device: any

// launch: sum_piece grid=(blocks) block=(256) args=(x, y, n)

__global__ void sum_piece(const int* x, int* y, int n) {
    int share = n / gridDim.x;
    const int* piece = x + blockIdx.x * share;
    int sum = 0;
    for (int i = threadIdx.x; i < share; i += 256) sum += piece[i];
    y[blockIdx.x * 256 + threadIdx.x] = sum;
}
