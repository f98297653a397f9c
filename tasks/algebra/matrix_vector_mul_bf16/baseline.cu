// y = A x, one thread a row.

#include <cuda_bf16.h>

__global__ void matrix_vector_mul(const __nv_bfloat16* a, const __nv_bfloat16* x, __nv_bfloat16* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
        float sum = 0.0f;
        for (int col = 0; col < cols; ++col) {
            sum += __bfloat162float(a[(size_t)row * cols + col]) * __bfloat162float(x[col]);
        }
        y[row] = __float2bfloat16(sum);
    }
}

extern "C" void solve(const __nv_bfloat16* a, const __nv_bfloat16* x, __nv_bfloat16* y, int rows, int cols) {
    int threads = 64;
    matrix_vector_mul<<<(rows + threads - 1) / threads, threads>>>(a, x, y, rows, cols);
}
