// C = A B for a sparse matrix with `width` slots a row and a dense one of k columns: one thread an element of C.

#include <cuda_bf16.h>

__global__ void spmm_ell(const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* b, __nv_bfloat16* c, int rows, int k,
                         int width) {
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int row = thread / k;
    int j = thread % k;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int slot = row * width; slot < (row + 1) * width && columns[slot] >= 0; ++slot) {
        sum += __bfloat162float(values[slot]) * __bfloat162float(b[columns[slot] * k + j]);
    }
    c[row * k + j] = __float2bfloat16(sum);
}

extern "C" void solve(const int* columns, const __nv_bfloat16* values, const __nv_bfloat16* b, __nv_bfloat16* c, int rows, int cols,
                      int k, int width) {
    int threads = 256;
    spmm_ell<<<(rows * k + threads - 1) / threads, threads>>>(columns, values, b, c, rows, k, width);
}
