// C = A B for a sparse matrix in coordinates, sorted by row, and a dense one of k columns: one thread for an entry and a column of B.

#include <cuda_bf16.h>

__global__ void clear(float* c, int size) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) {
        c[i] = 0.0f;
    }
}

__global__ void spmm_coo(const int* row_of, const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* b, float* c, int k,
                         int nonzeros) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int i = thread / k;
    int j = thread % k;
    if (i < nonzeros) {
        atomicAdd(&c[row_of[i] * k + j], __bfloat162float(values[i]) * __bfloat162float(b[columns[i] * k + j]));
    }
}

extern "C" void solve(const int* row_of, const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* b, float* c, int rows,
                      int cols, int k, int nonzeros) {
    int threads = 256;
    clear<<<(rows * k + threads - 1) / threads, threads>>>(c, rows * k);
    spmm_coo<<<(nonzeros * k + threads - 1) / threads, threads>>>(row_of, columns, values, b, c, k, nonzeros);
}
