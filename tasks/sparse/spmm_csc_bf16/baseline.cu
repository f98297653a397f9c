// C = A B for a sparse matrix in compressed columns and a dense one of k columns: one thread for a column of A and one of B.

#include <cuda_bf16.h>

__global__ void clear(float* c, int size) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) {
        c[i] = 0.0f;
    }
}

__global__ void spmm_csc(const int* starts, const int* row_of, const __nv_bfloat16* values, const __nv_bfloat16* b, float* c, int cols,
                         int k) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int column = thread / k;
    int j = thread % k;
    if (column >= cols) return;
    float factor = __bfloat162float(b[column * k + j]);
    for (int i = starts[column]; i < starts[column + 1]; ++i) {
        atomicAdd(&c[row_of[i] * k + j], __bfloat162float(values[i]) * factor);
    }
}

extern "C" void solve(const int* starts, const int* row_of, const __nv_bfloat16* values, const __nv_bfloat16* b, float* c, int rows,
                      int cols, int k) {
    int threads = 256;
    clear<<<(rows * k + threads - 1) / threads, threads>>>(c, rows * k);
    spmm_csc<<<(cols * k + threads - 1) / threads, threads>>>(starts, row_of, values, b, c, cols, k);
}
