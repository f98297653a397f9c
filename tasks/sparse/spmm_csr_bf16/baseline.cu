// C = A B for a sparse matrix in compressed rows and a dense one of k columns: one thread an element of C.

#include <cuda_bf16.h>

__global__ void spmm_csr(const int* starts, const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* b, __nv_bfloat16* c,
                         int rows, int k) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int row = thread / k;
    int j = thread % k;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int i = starts[row]; i < starts[row + 1]; ++i) {
        sum += __bfloat162float(values[i]) * __bfloat162float(b[columns[i] * k + j]);
    }
    c[row * k + j] = __float2bfloat16(sum);
}

extern "C" void solve(const int* starts, const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* b, __nv_bfloat16* c,
                      int rows, int cols, int k) {
    int threads = 256;
    spmm_csr<<<(rows * k + threads - 1) / threads, threads>>>(starts, columns, values, b, c, rows, k);
}
