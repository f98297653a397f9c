// y = A x for a sparse matrix in compressed rows: one thread a row.

#include <cuda_bf16.h>

__global__ void spmv_csr(const int* starts, const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* x, __nv_bfloat16* y,
                         int rows) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int i = starts[row]; i < starts[row + 1]; ++i) {
        sum += __bfloat162float(values[i]) * __bfloat162float(x[columns[i]]);
    }
    y[row] = __float2bfloat16(sum);
}

extern "C" void solve(const int* starts, const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* x, __nv_bfloat16* y,
                      int rows, int cols) {
    int threads = 128;
    spmv_csr<<<(rows + threads - 1) / threads, threads>>>(starts, columns, values, x, y, rows);
}
