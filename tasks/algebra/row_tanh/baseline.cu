// Hyperbolic tangent of every element of a matrix, one block a row.

#include <math.h>

__global__ void row_tanh(const float* x, float* y, int rows, int cols) {
    size_t start = (size_t)blockIdx.x * cols;
    for (int col = threadIdx.x; col < cols; col += blockDim.x) {
        y[start + col] = tanhf(x[start + col]);
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    row_tanh<<<rows, 256>>>(x, y, rows, cols);
}
