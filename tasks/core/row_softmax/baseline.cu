// Softmax of every row, one thread a row: maximum, sum of exponentials, quotient.

#include <math.h>

__global__ void row_softmax(const float* x, float* y, int rows, int cols) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;

    float largest = x[row * cols];
    for (int col = 1; col < cols; ++col) {
        largest = fmaxf(largest, x[row * cols + col]);
    }
    float sum = 0.0f;
    for (int col = 0; col < cols; ++col) {
        y[row * cols + col] = expf(x[row * cols + col] - largest);
        sum += y[row * cols + col];
    }
    for (int col = 0; col < cols; ++col) {
        y[row * cols + col] /= sum;
    }
}

extern "C" void solve(const float* x, float* y, int rows, int cols) {
    int threads = 64;
    row_softmax<<<(rows + threads - 1) / threads, threads>>>(x, y, rows, cols);
}
