// y = A x for a sparse matrix with `width` slots a row, one row after the other: one thread a row, up to its first empty slot.

#include <cuda_bf16.h>

__global__ void spmv_ell(const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* x, __nv_bfloat16* y, int rows, int width) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int slot = row * width; slot < (row + 1) * width && columns[slot] >= 0; ++slot) {
        sum += __bfloat162float(values[slot]) * __bfloat162float(x[columns[slot]]);
    }
    y[row] = __float2bfloat16(sum);
}

extern "C" void solve(const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* x, __nv_bfloat16* y, int rows, int cols,
                      int width) {
    int threads = 128;
    spmv_ell<<<(rows + threads - 1) / threads, threads>>>(columns, values, x, y, rows, width);
}
